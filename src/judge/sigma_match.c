// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_match.c - all string tests of a field in one Hyperscan database, and the rules they trigger
 *
 * A database is compiled when the first value comes that it is for: compiling takes longer than
 * all else, and most records have no program of Windows, which most public rules are about. Each
 * pattern alone is checked while rules are read, so that a mistake is told with its place.
 *
 * A pattern that Hyperscan cannot express (look-around, back references) is given to it as a filter
 * that may say yes too often, and PCRE2 decides. What a value's scan finds depends on the value
 * alone, so values that come again (images, users, folders) are looked up instead of scanned.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <arpa/inet.h>
#include <hs/hs.h>
#include <pcre2.h>
#include <time.h>

#include "judge/sigma_inner.h"

#define CACHE_SLOTS	16384
#define CACHE_VALUE_MAX 256
#define CACHE_ATOMS_MAX 24
#define REGEX_STEPS_MAX 100000 /* of PCRE2 on one value, and as many again as it has bytes */

/** struct field_db - the patterns of one field of one category */
struct field_db {
	hs_database_t *db;
	struct list atoms; /* by the pattern's number */
};

/** struct value_cache - what the last scans of short values found */
struct value_cache {
	struct {
		const struct field_db *of;
		uint16_t n, natoms;
		char value[CACHE_VALUE_MAX];
		uint32_t atom[CACHE_ATOMS_MAX];
	} slot[CACHE_SLOTS];
};

/* ---- compile ------------------------------------------------------------------------------ */

#define FLAG_EVERY (1u << 31) /* of an atom: not even a filter, every value is looked at */

static pcre2_code *pcre_of(const char *regex, unsigned flags, size_t *ret_at)
{
	uint32_t options = (flags & HS_FLAG_CASELESS ? PCRE2_CASELESS : 0) |
			   (flags & HS_FLAG_DOTALL ? PCRE2_DOTALL : 0) |
			   (flags & HS_FLAG_MULTILINE ? PCRE2_MULTILINE : 0);
	int code;

	return pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options, &code, ret_at,
			     NULL);
}

/* Cheap beside compiling. */
static bool hyperscan_takes(const char *regex, unsigned flags)
{
	hs_compile_error_t *e = NULL;
	hs_expr_info_t *info = NULL;
	bool yes = hs_expression_info(regex, flags, &info, &e) == HS_SUCCESS;

	free(info);
	hs_free_compile_error(e);
	return yes;
}

bool pattern_check(const char *regex, unsigned *flags, size_t *ret_at)
{
	pcre2_code *code;

	if (hyperscan_takes(regex, *flags))
		return true;
	*flags |=
		hyperscan_takes(regex, *flags | HS_FLAG_PREFILTER) ? HS_FLAG_PREFILTER : FLAG_EVERY;
	code = pcre_of(regex, *flags, ret_at);
	pcre2_code_free(code);
	return code;
}

static int compile_field(struct field_db *f, struct sigma *s, struct err *err)
{
	size_t n = f->atoms.n;
	cleanup_free const char **regex = xcalloc(n, sizeof(char *));
	cleanup_free unsigned *flags = xcalloc(n, sizeof(*flags)), *ids = xcalloc(n, sizeof(*ids));
	hs_compile_error_t *e = NULL;
	size_t at;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		struct atom *a = s->atom[f->atoms.v[i]];

		regex[i] = a->flags & FLAG_EVERY ? "" : a->regex;
		flags[i] =
			a->flags & FLAG_EVERY ? HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH : a->flags;
		ids[i] = (unsigned)i;
	}
	while (!rc && hs_compile_multi(regex, flags, ids, (unsigned)n, HS_MODE_BLOCK, NULL, &f->db,
				       &e) != HS_SUCCESS) {
		struct atom *a = e->expression >= 0 ? s->atom[f->atoms.v[e->expression]] : NULL;

		/* too large, which is known only now: PCRE looks at every value for it */
		if (a && !(a->flags & FLAG_EVERY)) {
			if (!a->confirm)
				a->confirm = pcre_of(a->regex, a->flags, &at);
			a->flags |= FLAG_EVERY;
			regex[e->expression] = "";
			flags[e->expression] = HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;
		} else {
			rc = err_set_exit(err, EXIT_USAGE, EINVAL, "judge: compile patterns: %s",
					  e->message);
		}
		hs_free_compile_error(e);
	}
	if (!rc && hs_alloc_scratch(f->db, &s->scratch) != HS_SUCCESS)
		rc = err_set(err, ENOMEM, "judge: make room for scanning");
	return rc;
}

void sigma_compile(struct sigma *s)
{
	size_t where;

	correlations_resolve(s);
	triggers_make(s);
	for (size_t i = 0; i < s->natoms; i++) {
		struct atom *a = s->atom[i];
		int at = a->field == ROW_ANY ? ROW_FIELDS_MAX : a->field == ROW_NONE ? 0 : a->field;

		struct field_db **db = &s->db[!a->others][a->cat < ROW_CATS ? a->cat : 0][at];

		if (a->kind != ATOM_TEXT || a->field == ROW_NONE || a->cat == ROW_CATS)
			continue;
		if (a->flags & (HS_FLAG_PREFILTER | FLAG_EVERY))
			a->confirm = pcre_of(a->regex, a->flags, &where);
		if (!*db)
			*db = xcalloc(1, sizeof(struct field_db));
		list_add(&(*db)->atoms, a->id);
	}
	s->stamp = xcalloc(s->natoms + 1, sizeof(*s->stamp));
	s->cache = xcalloc(1, sizeof(*s->cache));
	s->hits.v = xcalloc(s->natoms + 1, sizeof(*s->hits.v));
	s->candidates.v = xcalloc(s->nrules + 1, sizeof(*s->candidates.v));
	s->confirm_data = pcre2_match_data_create(1, NULL);
	s->confirm_limits = pcre2_match_context_create(NULL);
}

void match_free(struct sigma *s)
{
	struct atom *a, *next;

	HASH_ITER(hh, s->atoms, a, next)
	{
		HASH_DEL(s->atoms, a);
		pcre2_code_free(a->confirm);
		free(a->rules);
		free(a->regex);
		free(a->key);
		free(a);
	}
	for (size_t i = 0; i < sizeof(s->db) / sizeof(s->db[0][0][0]); i++) {
		struct field_db *f = (&s->db[0][0][0])[i];

		if (f) {
			hs_free_database(f->db);
			free(f->atoms.v);
		}
		free(f);
	}
	hs_free_scratch(s->scratch);
	pcre2_match_data_free(s->confirm_data);
	pcre2_match_context_free(s->confirm_limits);
	free(s->hits.v);
	free(s->candidates.v);
	free(s->atom);
	free(s->stamp);
	free(s->cache);
}

/* ---- scan --------------------------------------------------------------------------------- */

struct scan {
	struct sigma *s;
	const struct field_db *f;
	struct str value;
	struct list *hit;
	uint32_t found[CACHE_ATOMS_MAX];
	size_t nfound;
};

static bool confirmed(struct sigma *s, const struct atom *a, struct str v)
{
	int rc;

	if (!a->confirm)
		return true;
	pcre2_set_match_limit(s->confirm_limits, (uint32_t)(REGEX_STEPS_MAX + v.n));
	rc = pcre2_match(a->confirm, (PCRE2_SPTR)v.p, v.n, 0, 0, s->confirm_data,
			 s->confirm_limits);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		s->given_up++;
	return rc >= 0;
}

static void hit(struct scan *sc, uint32_t atom)
{
	if (sc->nfound < CACHE_ATOMS_MAX)
		sc->found[sc->nfound] = atom;
	sc->nfound++;
	if (sc->s->stamp[atom] == sc->s->now)
		return;
	sc->s->stamp[atom] = sc->s->now;
	if (sc->s->atom[atom]->nrules)
		sc->hit->v[sc->hit->n++] = atom;
}

/* Does a text that ends at @to stand where it must? */
static bool in_place(const struct atom *a, size_t to, struct str v)
{
	return (!a->starts || to == a->text_n) && (!a->ends || to == v.n);
}

static int on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to,
		    unsigned flags UNUSED, void *ctx)
{
	struct scan *sc = ctx;
	uint32_t at = sc->f->atoms.v[id];
	const struct atom *a = sc->s->atom[at];

	if (a->text_n ? in_place(a, (size_t)to, sc->value) : confirmed(sc->s, a, sc->value))
		hit(sc, at);
	return 0;
}

static size_t slot_of(const struct field_db *f, struct str v)
{
	uint64_t h = 0xcbf29ce484222325ull ^ (uintptr_t)f ^ v.n, w;
	size_t i = 0;

	for (; i + sizeof(w) <= v.n; i += sizeof(w)) {
		memcpy(&w, v.p + i, sizeof(w));
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	for (; i < v.n; i++)
		h = (h ^ (unsigned char)v.p[i]) * 0x100000001b3ull;
	return (size_t)(h ^ h >> 32) % CACHE_SLOTS;
}

static int scan_value(struct sigma *s, struct field_db *f, struct str v, struct list *hits)
{
	struct scan sc = { .s = s, .f = f, .value = v, .hit = hits };
	bool small = v.n <= CACHE_VALUE_MAX;
	size_t at = small ? slot_of(f, v) : 0;
	typeof(&s->cache->slot[0]) slot = &s->cache->slot[at];

	if (small && slot->of == f && slot->n == v.n && !memcmp(slot->value, v.p, v.n)) {
		for (size_t i = 0; i < slot->natoms; i++)
			hit(&sc, slot->atom[i]);
		return 0;
	}
	if (!f->db) {
		int rc = compile_field(f, s, &s->failed);

		if (rc)
			return rc;
	}
	hs_scan(f->db, v.p, (unsigned)v.n, 0, s->scratch, on_match, &sc);
	if (!small || sc.nfound > CACHE_ATOMS_MAX)
		return 0;
	slot->of = f;
	slot->n = (uint16_t)v.n;
	slot->natoms = (uint16_t)sc.nfound;
	memcpy(slot->value, v.p, v.n);
	memcpy(slot->atom, sc.found, sc.nfound * sizeof(*sc.found));
	return 0;
}

/* All of a row's values, in the databases that are for its system. */
static int scan_row(struct sigma *s, const struct row *row, struct list *hits)
{
	int fields = row_fields(row->cat), rc = 0, systems = row->windows ? 2 : 1;

	for (int system = 0; system < systems; system++) {
		struct field_db **db = s->db[system][row->cat];

		for (int f = 0; f < fields && !rc; f++) {
			if (!row->v[f].p)
				continue;
			if (db[f])
				rc = scan_value(s, db[f], row->v[f], hits);
			if (!rc && db[ROW_FIELDS_MAX])
				rc = scan_value(s, db[ROW_FIELDS_MAX], row->v[f], hits);
		}
	}
	return rc;
}

/* ---- evaluate ----------------------------------------------------------------------------- */

bool compare_numbers(double a, enum compare c, double b)
{
	switch (c) {
	case CMP_EQ:
		return a == b;
	case CMP_NE:
		return a != b;
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_GT:
		return a > b;
	default:
		return a >= b;
	}
}

static bool number_holds(const struct atom *a, struct str v)
{
	char text[64], *end;
	double x;

	if (!v.n || v.n >= sizeof(text))
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	x = strtod(text, &end);
	return end != text && !*end && compare_numbers(x, a->compare, a->number);
}

static bool cidr_holds(const struct atom *a, struct str v)
{
	uint8_t ip[16] = { 0 };
	char text[64];
	int bytes = a->bits / 8, rest = a->bits % 8;

	if (!v.n || v.n >= sizeof(text))
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	if (inet_pton(AF_INET, text, ip + 12) == 1)
		memset(ip + 10, 0xff, 2);
	else if (inet_pton(AF_INET6, text, ip) != 1)
		return false;
	if (bytes < 12 && !strchr(text, ':')) /* a network of IPv6 has no address of IPv4 */
		return false;
	if (memcmp(ip, a->net, (size_t)bytes))
		return false;
	return !rest || !((ip[bytes] ^ a->net[bytes]) >> (8 - rest));
}

static bool same_bytes(const char *a, const char *b, size_t n, bool cased)
{
	return cased ? !memcmp(a, b, n) : !strncasecmp(a, b, n);
}

static bool fields_hold(const struct atom *a, struct str v, struct str o)
{
	if (!v.p || !o.p || o.n > v.n || (a->relation == REL_EQUAL && o.n != v.n))
		return false;
	switch (a->relation) {
	case REL_ENDS:
		return same_bytes(v.p + v.n - o.n, o.p, o.n, a->cased);
	case REL_CONTAINS:
		for (size_t i = 0; i + o.n <= v.n; i++)
			if (same_bytes(v.p + i, o.p, o.n, a->cased))
				return true;
		return false;
	default:
		return same_bytes(v.p, o.p, o.n, a->cased);
	}
}

static bool time_holds(const struct atom *a, uint64_t wall)
{
	time_t s = (time_t)(wall / NSEC_PER_SEC);
	struct tm tm;
	char week[4];
	int part[6];

	gmtime_r(&s, &tm);
	strftime(week, sizeof(week), "%V", &tm);
	part[TIME_MINUTE] = tm.tm_min;
	part[TIME_HOUR] = tm.tm_hour;
	part[TIME_DAY] = tm.tm_mday;
	part[TIME_WEEK] = (int)strtol(week, NULL, 10);
	part[TIME_MONTH] = tm.tm_mon + 1;
	part[TIME_YEAR] = tm.tm_year + 1900;
	return compare_numbers(part[a->part], a->compare, a->number);
}

static bool atom_holds(const struct sigma *s, const struct atom *a, const struct row *row)
{
	struct str v = a->field >= 0 ? row->v[a->field] : (struct str){ 0 };

	switch (a->kind) {
	case ATOM_TEXT:
		return s->stamp[a->id] == s->now;
	case ATOM_ABSENT:
		return !v.p;
	case ATOM_EMPTY:
		return v.p && !v.n;
	case ATOM_EXISTS: /* some field of a row always is */
		return v.p || a->field == ROW_ANY;
	case ATOM_NUMBER:
		return v.p && number_holds(a, v);
	case ATOM_CIDR:
		return v.p && cidr_holds(a, v);
	case ATOM_FIELD:
		return a->other >= 0 && fields_hold(a, v, row->v[a->other]);
	case ATOM_TIME:
		return time_holds(a, row->wall);
	}
	return false;
}

static bool holds(const struct sigma *s, uint32_t e, const struct row *row)
{
	const struct expr *x = &s->expr[e];

	switch (x->op) {
	case EXPR_FALSE:
		return false;
	case EXPR_TRUE:
		return true;
	case EXPR_ATOM:
		return atom_holds(s, s->atom[x->atom], row);
	case EXPR_NOT:
		return !holds(s, x->first, row);
	case EXPR_AND:
		for (uint32_t c = x->first; c; c = s->expr[c].next)
			if (!holds(s, c, row))
				return false;
		return true;
	case EXPR_OR:
		for (uint32_t c = x->first; c; c = s->expr[c].next)
			if (holds(s, c, row))
				return true;
		return false;
	}
	return false;
}

static bool for_this_system(const struct sigma_rule *r, const struct row *row)
{
	return !r->product || !strcmp(r->product, row->windows ? "windows" : "linux");
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Candidates in the order of loading, each once. */
static void candidates(struct sigma *s, const struct row *row, const struct list *hits,
		       struct list *ret)
{
	for (size_t i = 0; i < hits->n; i++) {
		const struct atom *a = s->atom[hits->v[i]];

		for (size_t k = 0; k < a->nrules; k++)
			if (s->rule[a->rules[k]]->stamp != s->now) {
				s->rule[a->rules[k]]->stamp = s->now;
				ret->v[ret->n++] = a->rules[k];
			}
	}
	for (size_t i = 0; i < s->always[row->cat].n; i++)
		ret->v[ret->n++] = s->always[row->cat].v[i];
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_number);
}

uint64_t sigma_given_up(const struct sigma *s)
{
	return s->given_up;
}

uint64_t sigma_forgotten(const struct sigma *s)
{
	return s->forgotten;
}

const struct err *sigma_failed(const struct sigma *s)
{
	return &s->failed;
}

int sigma_row(struct sigma *s, const struct row *row,
	      int (*fn)(void *ctx, const struct sigma_match *m), void *ctx)
{
	struct list *rules = &s->candidates;
	int rc;

	s->now++;
	s->hits.n = rules->n = 0;
	rc = scan_row(s, row, &s->hits);
	candidates(s, row, &s->hits, rules);
	for (size_t i = 0; i < rules->n && !rc; i++) {
		const struct rule *r = s->rule[rules->v[i]];
		struct sigma_match m = { &r->pub, row, &row->seq, 1 };

		if (!for_this_system(&r->pub, row) || !holds(s, r->expr, row))
			continue;
		if (!r->silent)
			rc = fn(ctx, &m);
		if (!rc && r->ncorrelations)
			rc = correlation_feed(s, rules->v[i], row, fn, ctx);
	}
	return rc;
}
