// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_value.c - one 'field|modifier: value' of a selection becomes atoms
 *
 * A text is kept as a *glob*: characters, '*' and '?'. Modifiers change it one after the other, in
 * the order in which they stand (windash, wide, base64, …, contains), and may make several of one.
 * In the end each is a regular expression of whole values.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <hs/hs.h>

#include "judge/sigma_inner.h"

#define MODIFIERS_MAX 8
#define VARIANTS_MAX  256 /* of one value, after windash and base64offset */
#define TEXT_MAX      65536

enum { GLOB_ANY = 256, GLOB_ONE = 257 };

struct glob {
	uint16_t *c;
	size_t n;
};

struct globs {
	struct glob v[VARIANTS_MAX];
	size_t n;
	bool full; /* there were more */
};

/** struct item - what the modifiers of one key ask for */
struct item {
	struct reading *r;
	const yaml_node_t *at;
	int field;
	bool all, cased, re, cidr, exists, expand, is_field;
	bool dotall, multiline;
	enum relation relation;
	bool compares;
	enum compare compare;
	int part; /* -1, or enum time_part */
	const char *transform[MODIFIERS_MAX];
	int ntransforms;
};

/* ---- globs -------------------------------------------------------------------------------- */

static void glob_put(struct glob *g, uint16_t c)
{
	if (!(g->n & (g->n - 1)))
		g->c = xrealloc(g->c, (g->n ? 2 * g->n : 1) * sizeof(*g->c));
	g->c[g->n++] = c;
}

static struct glob glob_parse(const char *s)
{
	struct glob g = { 0 };

	for (; *s; s++) {
		if (*s == '\\' && (s[1] == '*' || s[1] == '?' || s[1] == '\\'))
			glob_put(&g, (unsigned char)*++s);
		else
			glob_put(&g, *s == '*'	 ? GLOB_ANY
				     : *s == '?' ? GLOB_ONE
						 : (unsigned char)*s);
	}
	return g;
}

static bool glob_plain(const struct glob *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->c[i] > 255)
			return false;
	return true;
}

static void globs_add(struct globs *to, struct glob g)
{
	if (to->n < VARIANTS_MAX) {
		to->v[to->n++] = g;
		return;
	}
	free(g.c);
	to->full = true;
}

static void globs_free(struct globs *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].c);
	g->n = 0;
}

static struct glob glob_of_utf8(const char *bytes, size_t n)
{
	struct glob g = { 0 };

	for (size_t i = 0; i < n; i++)
		glob_put(&g, (unsigned char)bytes[i]);
	return g;
}

static bool in_word(const struct glob *g, size_t i)
{
	return i < g->n && g->c[i] < 256 && (g->c[i] == '_' || g->c[i] > 127 || isalnum(g->c[i]));
}

/* Where is the next dash, from @i on, that begins a word? g->n: nowhere */
static size_t next_dash(const struct glob *g, size_t i)
{
	for (; i < g->n; i++)
		if ((g->c[i] == '-' || g->c[i] == '/') && !(i && in_word(g, i - 1)) &&
		    in_word(g, i + 1))
			break;
	return i;
}

/* A dash that begins a word may be any of the characters that programs take for one: each dash by
 * itself, so that all combinations are variants. */
static void windash(const struct glob *g, size_t from, struct globs *out)
{
	static const char *const dash[] = { "-", "/", "\xe2\x80\x93", "\xe2\x80\x94",
					    "\xe2\x80\x95" };
	size_t at = next_dash(g, from);

	for (size_t d = 0; d < ARRAY_SIZE(dash) && !out->full; d++) {
		struct glob to = { 0 };

		for (size_t i = 0; i < g->n; i++)
			if (i == at)
				for (const char *c = dash[d]; *c; c++)
					glob_put(&to, (unsigned char)*c);
			else
				glob_put(&to, g->c[i]);
		if (at == g->n) {
			globs_add(out, to);
			return;
		}
		windash(&to, at + strlen(dash[d]), out);
		free(to.c);
	}
}

/* UTF-16 of text that is UTF-8; what is no UTF-8 stays byte by byte. */
static struct glob widen(const struct glob *g, bool big, bool bom)
{
	struct glob to = { 0 };

	if (bom) {
		glob_put(&to, big ? 0xfe : 0xff);
		glob_put(&to, big ? 0xff : 0xfe);
	}
	for (size_t i = 0; i < g->n; i++) {
		uint32_t c = g->c[i];
		int more = c >= 0xf0 && c < 0xf8   ? 3
			   : c >= 0xe0 && c < 0xf0 ? 2
			   : c >= 0xc2 && c < 0xe0 ? 1
						   : 0;

		if (c > 255) {
			glob_put(&to, (uint16_t)c);
			continue;
		}
		if (more && i + (size_t)more < g->n) {
			c &= 0x3fu >> more;
			for (int k = 0; k < more; k++)
				c = c << 6 | (g->c[++i] & 0x3f);
		}
		for (int half = c > 0xffff ? 0 : 1; half < 2; half++) {
			uint32_t u = c <= 0xffff ? c
				     : half	 ? 0xdc00 | ((c - 0x10000) & 0x3ff)
						 : 0xd800 | ((c - 0x10000) >> 10);

			glob_put(&to, (uint16_t)(big ? u >> 8 : u & 255));
			glob_put(&to, (uint16_t)(big ? u & 255 : u >> 8));
		}
	}
	return to;
}

static struct glob base64(const struct glob *g, size_t skip, size_t from, size_t cut)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	cleanup_buf struct buf out = { 0 };
	size_t n = g->n + skip;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = 0;

		for (size_t k = i; k < i + 3; k++)
			v = v << 8 |
			    (k < skip || k >= n ? (k < skip ? ' ' : 0) : (g->c[k - skip] & 255u));
		for (int k = 0; k < 4; k++)
			buf_printf(&out, "%c",
				   i + (size_t)k > n ? '=' : digits[v >> (18 - 6 * k) & 63]);
	}
	return from + cut <= out.n ? glob_of_utf8(out.p + from, out.n - from - cut)
				   : (struct glob){ 0 };
}

static void base64_offsets(const struct glob *g, struct globs *out)
{
	static const size_t from[3] = { 0, 2, 3 }, cut[3] = { 0, 3, 2 };

	for (size_t i = 0; i < 3; i++)
		globs_add(out, base64(g, i, from[i], cut[(g->n + i) % 3]));
}

static int transform(struct item *it, const char *how, struct globs *io)
{
	struct globs out = { 0 };

	for (size_t i = 0; i < io->n; i++) {
		const struct glob *g = &io->v[i];
		bool encodes = !strncmp(how, "base64", 6);

		if (encodes && !glob_plain(g)) {
			globs_free(&out);
			return bad_at(it->r, it->at, "'%s' of a text with wildcards", how);
		}
		if (!strcmp(how, "windash"))
			windash(g, 0, &out);
		else if (!strcmp(how, "wide") || !strcmp(how, "utf16le"))
			globs_add(&out, widen(g, false, false));
		else if (!strcmp(how, "utf16be"))
			globs_add(&out, widen(g, true, false));
		else if (!strcmp(how, "utf16"))
			globs_add(&out, widen(g, false, true));
		else if (!strcmp(how, "base64"))
			globs_add(&out, base64(g, 0, 0, 0));
		else
			base64_offsets(g, &out);
	}
	globs_free(io);
	*io = out;
	return 0;
}

static int too_many(struct item *it)
{
	return bad_at(it->r, it->at, "a value has more than %d variants", VARIANTS_MAX);
}

/* ---- atoms -------------------------------------------------------------------------------- */

static enum row_cat cat_of(const struct item *it)
{
	return it->r->rule->pub.cat;
}

static uint32_t atom_of(struct item *it, struct atom *a, const char *what)
{
	a->cat = cat_of(it);
	a->field = it->field;
	a->key = xasprintf("%d.%d.%d.%s", (int)a->cat, a->field, (int)a->kind, what);
	return expr_atom(it->r->s, atom_get(it->r->s, a));
}

/* Equal patterns of a field are one atom. */
static uint32_t pattern_atom(struct item *it, struct atom *a)
{
	cleanup_free char *what =
		xasprintf("%u.%d%d%d.%s", a->flags, a->text_n != 0, a->starts, a->ends, a->regex);

	return atom_of(it, a, what);
}

/* A text without wildcards is looked for as it is, and where it stands is compared when it is
 * found: a thousand texts at the ends of values compile in a thirtieth of the time of a thousand
 * anchored expressions. Shorter ones would be found too often. */
#define TEXT_MIN 3
/* Patterns of so many characters, made here, are not checked: Hyperscan takes them, up to 16000. */
#define PATTERN_SURE 15000

/* One character of any length in UTF-8. */
#define ONE_CHARACTER "(?:[\\x00-\\x7f]|[\\xc0-\\xff][\\x80-\\xbf]*)"

static int text_atom(struct item *it, const struct glob *g, uint32_t *ret)
{
	size_t from = 0, to = g->n;
	bool starts = it->relation == REL_EQUAL || it->relation == REL_STARTS;
	bool ends = it->relation == REL_EQUAL || it->relation == REL_ENDS;
	struct atom a = { .kind = ATOM_TEXT };
	cleanup_buf struct buf b = { 0 };
	bool plain;
	size_t at;

	while (from < to && g->c[from] == GLOB_ANY)
		from++, starts = false;
	while (to > from && g->c[to - 1] == GLOB_ANY)
		to--, ends = false;
	if (from == to) { /* nothing but '*', or an empty text */
		a.kind = starts && ends && !g->n ? ATOM_EMPTY : ATOM_EXISTS;
		*ret = atom_of(it, &a, "");
		return 0;
	}
	plain = to - from >= TEXT_MIN && to - from <= PATTERN_SURE / 4;
	for (size_t i = from; i < to; i++)
		plain = plain && g->c[i] < 256;
	if (plain) {
		a.text_n = to - from;
		a.starts = starts;
		a.ends = ends;
	}
	buf_puts(&b, starts && !plain ? "\\A" : "");
	for (size_t i = from; i < to; i++) {
		unsigned c = g->c[i];

		if (c == GLOB_ANY)
			buf_puts(&b, ".*");
		else if (c == GLOB_ONE)
			buf_puts(&b, ONE_CHARACTER);
		else if (isalnum((int)c) || c == ' ' || c == '_')
			buf_printf(&b, "%c", (int)c);
		else
			buf_printf(&b, "\\x%02x", c);
	}
	buf_puts(&b, ends && !plain ? "\\z" : "");
	/* the first place where a text stands need not be the one at the end */
	a.flags = HS_FLAG_DOTALL | (a.ends ? 0 : HS_FLAG_SINGLEMATCH) |
		  (it->cased ? 0 : HS_FLAG_CASELESS);
	if (b.n > PATTERN_SURE && !pattern_check(buf_z(&b), &a.flags, &at))
		return bad_at(it->r, it->at, "a value of this length is too much");
	a.regex = xstrdup(buf_z(&b));
	*ret = pattern_atom(it, &a);
	return 0;
}

static int regex_atom(struct item *it, const char *regex, uint32_t *ret)
{
	struct atom a = { .kind = ATOM_TEXT };
	size_t at;

	a.flags = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY | (it->cased ? 0 : HS_FLAG_CASELESS) |
		  (it->dotall ? HS_FLAG_DOTALL : 0) | (it->multiline ? HS_FLAG_MULTILINE : 0);
	if (!pattern_check(regex, &a.flags, &at))
		return bad_at(it->r, it->at, "'%s' is no regular expression (character %zu)", regex,
			      at);
	a.regex = xstrdup(regex);
	*ret = pattern_atom(it, &a);
	return 0;
}

static int cidr_atom(struct item *it, const char *text, uint32_t *ret)
{
	struct atom a = { .kind = ATOM_CIDR };
	char ip[64];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char *end = NULL;
	long bits;

	if (n >= sizeof(ip))
		return bad_at(it->r, it->at, "'%s' is no network", text);
	memcpy(ip, text, n);
	ip[n] = 0;
	if (inet_pton(AF_INET, ip, a.net + 12) == 1) {
		memset(a.net + 10, 0xff, 2);
		bits = slash ? strtol(slash + 1, &end, 10) : 32;
		a.bits = (int)bits + 96;
	} else if (inet_pton(AF_INET6, ip, a.net) == 1) {
		bits = slash ? strtol(slash + 1, &end, 10) : 128;
		a.bits = (int)bits;
	} else {
		return bad_at(it->r, it->at, "'%s' is no network", text);
	}
	if (bits < 0 || a.bits > 128 || (end && (*end || end == slash + 1)))
		return bad_at(it->r, it->at, "'%s' is no network", text);
	*ret = atom_of(it, &a, text);
	return 0;
}

static int number_atom(struct item *it, const char *text, uint32_t *ret)
{
	struct atom a = { .kind = it->part >= 0 ? ATOM_TIME : ATOM_NUMBER,
			  .compare = it->compare,
			  .part = it->part >= 0 ? (enum time_part)it->part : 0 };
	char *end, what[96];

	a.number = strtod(text, &end);
	if (end == text || *end)
		return bad_at(it->r, it->at, "'%s' is no number", text);
	snprintf(what, sizeof(what), "%d %d %.17g", (int)a.compare, it->part, a.number);
	*ret = atom_of(it, &a, what);
	return 0;
}

static uint32_t field_atom(struct item *it, const char *other)
{
	struct atom a = { .kind = ATOM_FIELD, .relation = it->relation, .cased = it->cased };
	char what[160];

	a.other = row_field(cat_of(it), other);
	snprintf(what, sizeof(what), "%d %d %d", a.other, (int)a.relation, a.cased);
	return atom_of(it, &a, what);
}

/* ---- placeholders ------------------------------------------------------------------------- */

/* %NAME% by each of its values; one placeholder a text, as they are used. */
static void expand(struct item *it, const char *text, struct globs *out)
{
	const char *from = strchr(text, '%'), *to = from ? strchr(from + 1, '%') : NULL;
	struct placeholder *p = NULL;
	cleanup_free char *name = NULL;

	if (!to) {
		globs_add(out, glob_parse(text));
		return;
	}
	name = xstrndup(from + 1, (size_t)(to - from - 1));
	HASH_FIND_STR(it->r->s->placeholders, name, p);
	if (!p) {
		it->r->placeholder = true;
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		cleanup_free char *full =
			xasprintf("%.*s%s%s", (int)(from - text), text, p->values[i], to + 1);

		globs_add(out, glob_parse(full));
	}
}

/* ---- one value ---------------------------------------------------------------------------- */

static int one_value(struct item *it, const yaml_node_t *v, uint32_t *ret)
{
	struct globs globs = { 0 };
	const char *text = scalar_text(v);
	uint32_t parts[VARIANTS_MAX];
	size_t n = 0;
	int rc = 0;

	it->at = v;
	if (!text)
		return bad_at(it->r, v, "a value is text, a number, true, false or null");
	if (strlen(text) > TEXT_MAX)
		return bad_at(it->r, v, "a value has more than %d bytes", TEXT_MAX);
	if (it->exists) {
		struct atom a = { .kind = ATOM_EXISTS };
		uint32_t e = atom_of(it, &a, "");
		bool yes = !strcasecmp(text, "true") || !strcasecmp(text, "yes");

		*ret = yes ? e : expr_new(it->r->s, EXPR_NOT, e);
		return 0;
	}
	if (scalar_null(v) && it->field == ROW_ANY)
		return bad_at(it->r, v, "a keyword is text");
	if (scalar_null(v)) {
		struct atom a = { .kind = ATOM_ABSENT };

		*ret = atom_of(it, &a, "");
		return 0;
	}
	if (it->compares || it->part >= 0)
		return number_atom(it, text, ret);
	if (it->cidr)
		return cidr_atom(it, text, ret);
	if (it->is_field) {
		*ret = field_atom(it, text);
		return 0;
	}
	if (it->re)
		return regex_atom(it, text, ret);
	if (it->expand)
		expand(it, text, &globs);
	else
		globs_add(&globs, glob_parse(text));
	if (globs.full)
		rc = too_many(it);
	for (int i = 0; i < it->ntransforms && !rc; i++)
		rc = transform(it, it->transform[i], &globs);
	if (!rc && globs.full)
		rc = too_many(it);
	for (; n < globs.n && !rc; n++)
		rc = text_atom(it, &globs.v[n], &parts[n]);
	globs_free(&globs);
	if (!rc)
		*ret = expr_join(it->r->s, EXPR_OR, parts, n);
	return rc;
}

static int values(struct item *it, const yaml_node_t *v, uint32_t *ret)
{
	struct list parts = { 0 };
	int rc = 0;

	if (v->type != YAML_SEQUENCE_NODE)
		return one_value(it, v, ret);
	if (v->data.sequence.items.start == v->data.sequence.items.top)
		return bad_at(it->r, v, "a list without a value");
	for (yaml_node_item_t *i = v->data.sequence.items.start;
	     i < v->data.sequence.items.top && !rc; i++) {
		uint32_t e = 0;

		rc = one_value(it, yaml_document_get_node(it->r->doc, *i), &e);
		if (!rc)
			list_add(&parts, e);
	}
	if (!rc)
		*ret = expr_join(it->r->s, it->all ? EXPR_AND : EXPR_OR, parts.v, parts.n);
	free(parts.v);
	return rc;
}

/* ---- modifiers ---------------------------------------------------------------------------- */

static bool set_true(bool *b)
{
	*b = true;
	return true;
}

static bool set_relation(struct item *it, enum relation rel)
{
	it->relation = rel;
	return true;
}

static bool set_compare(struct item *it, enum compare c)
{
	it->compare = c;
	return set_true(&it->compares);
}

/* A modifier that changes how values compare; the transforms are left to the caller. */
static bool modifier(struct item *it, const char *m)
{
	static const struct {
		const char *name;
		enum compare compare;
	} numbers[] = { { "lt", CMP_LT }, { "lte", CMP_LE }, { "gt", CMP_GT }, { "gte", CMP_GE } };
	static const char *const parts[] = { "minute", "hour", "day", "week", "month", "year" };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(m, numbers[i].name))
			return set_compare(it, numbers[i].compare);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(m, parts[i])) {
			it->part = (int)i;
			return true;
		}
	if (it->re && !strcmp(m, "i")) {
		it->cased = false;
		return true;
	}
	return !strcmp(m, "contains")	   ? set_relation(it, REL_CONTAINS)
	       : !strcmp(m, "startswith")  ? set_relation(it, REL_STARTS)
	       : !strcmp(m, "endswith")	   ? set_relation(it, REL_ENDS)
	       : !strcmp(m, "all")	   ? set_true(&it->all)
	       : !strcmp(m, "re")	   ? set_true(&it->cased) && set_true(&it->re)
	       : !strcmp(m, "cidr")	   ? set_true(&it->cidr)
	       : !strcmp(m, "exists")	   ? set_true(&it->exists)
	       : !strcmp(m, "expand")	   ? set_true(&it->expand)
	       : !strcmp(m, "fieldref")	   ? set_true(&it->is_field)
	       : !strcmp(m, "cased")	   ? set_true(&it->cased)
	       : it->re && !strcmp(m, "m") ? set_true(&it->multiline)
	       : it->re && !strcmp(m, "s") ? set_true(&it->dotall)
					   : false;
}

static const char *transform_name(const char *m)
{
	static const char *const names[] = { "windash", "wide",	  "utf16",	 "utf16le",
					     "utf16be", "base64", "base64offset" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(m, names[i]))
			return names[i];
	return NULL;
}

int item_expr(struct reading *r, const yaml_node_t *key, yaml_node_t *value, uint32_t *ret)
{
	const char *text = scalar_text(key);
	cleanup_free char *copy = text ? xstrdup(text) : NULL;
	struct item it = { .r = r, .at = key, .part = -1 };
	bool negate = false;
	char *rest = copy, *m;
	int rc;

	if (!text)
		return bad_at(r, key, "a field's name is text");
	m = strsep(&rest, "|");
	it.field = *m ? row_field(r->rule->pub.cat, m) : ROW_ANY;
	while ((m = strsep(&rest, "|"))) {
		const char *t = transform_name(m);

		if (!strcmp(m, "neq")) {
			negate = true;
		} else if (t) {
			if (it.ntransforms == MODIFIERS_MAX)
				return bad_at(r, key, "more than %d modifiers", MODIFIERS_MAX);
			it.transform[it.ntransforms++] = t;
		} else if (!modifier(&it, m)) {
			return bad_at(r, key, "there is no modifier '%s'", m);
		}
	}
	if (it.field == ROW_ANY &&
	    (it.cidr || it.exists || it.is_field || it.compares || it.part >= 0))
		return bad_at(r, key, "'%s' needs a field", text);
	if (it.field == ROW_ANY && !it.re && it.relation == REL_EQUAL)
		it.relation = REL_CONTAINS;
	rc = values(&it, value, ret);
	if (!rc && negate)
		*ret = expr_new(r->s, EXPR_NOT, *ret);
	return rc;
}

int keyword_expr(struct reading *r, const yaml_node_t *value, uint32_t *ret)
{
	struct item it = { .r = r, .field = ROW_ANY, .relation = REL_CONTAINS, .part = -1 };

	return one_value(&it, value, ret);
}
