// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_rule.c - rule files: YAML documents become rules
 *
 * libyaml's document tree is walked as it is; its nodes carry line and column. A document whose
 * anchors make it deeper than SIGMA_DEPTH_MAX levels is refused where that is found.
 */
#include <stdarg.h>

#include "judge/sigma_inner.h"

/* ---- YAML --------------------------------------------------------------------------------- */

int bad_at(struct reading *r, const yaml_node_t *at, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set_exit(r->err, EXIT_USAGE, 0, "judge: %s:%zu:%zu: %s", r->file,
		     at ? r->line + at->start_mark.line + 1 : 0, at ? at->start_mark.column + 1 : 0,
		     what);
	if (r->err)
		r->err->code = EINVAL;
	return -EINVAL;
}

const char *scalar_text(const yaml_node_t *n)
{
	/* a text with NUL in it is cut there: no event has one where it would matter */
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

bool scalar_null(const yaml_node_t *n)
{
	const char *s = scalar_text(n);

	return s && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*s || !strcmp(s, "~") || !strcasecmp(s, "null"));
}

yaml_node_t *map_get(yaml_document_t *doc, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		const char *name = scalar_text(yaml_document_get_node(doc, p->key));

		if (name && !strcmp(name, key))
			return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

/* A text, or the texts of a list joined; NULL when there is none. */
static char *text_of(struct reading *r, const yaml_node_t *map, const char *key, const char *joint)
{
	const yaml_node_t *n = map_get(r->doc, map, key);
	cleanup_buf struct buf b = { .limit = SIGMA_TAGS_MAX };

	if (scalar_text(n))
		return xstrdup(scalar_text(n));
	if (!n || n->type != YAML_SEQUENCE_NODE)
		return NULL;
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++) {
		const char *s = scalar_text(yaml_document_get_node(r->doc, *i));

		buf_puts(&b, s && b.n ? joint : "");
		buf_puts(&b, s ? s : "");
	}
	return xstrdup(buf_z(&b));
}

/* ---- one document ------------------------------------------------------------------------- */

static void about(struct reading *r, const yaml_node_t *root)
{
	struct sigma_rule *p = &r->rule->pub;
	const yaml_node_t *source = map_get(r->doc, root, "logsource");

	p->file = xstrdup(r->file);
	p->line = (int)(r->line + root->start_mark.line) + 1;
	p->id = text_of(r, root, "id", ",");
	p->name = text_of(r, root, "name", ",");
	p->title = text_of(r, root, "title", ",");
	p->description = text_of(r, root, "description", " ");
	p->level = text_of(r, root, "level", ",");
	p->status = text_of(r, root, "status", ",");
	p->tags = text_of(r, root, "tags", ",");
	p->false_positives = text_of(r, root, "falsepositives", "; ");
	p->category = text_of(r, source, "category", ",");
	p->product = text_of(r, source, "product", ",");
	p->service = text_of(r, source, "service", ",");
}

static bool known_product(const char *product)
{
	return !product || !strcmp(product, "linux") || !strcmp(product, "windows");
}

static int read_detection(struct reading *r, const yaml_node_t *root)
{
	const yaml_node_t *d = map_get(r->doc, root, "detection");
	struct sigma_rule *p = &r->rule->pub;
	const yaml_node_t *c;
	int rc;

	if (!d || d->type != YAML_MAPPING_NODE)
		return bad_at(r, d ? d : root, "a rule needs a 'detection' with selections");
	if (!map_get(r->doc, root, "logsource"))
		return bad_at(r, root, "a rule needs a 'logsource'");
	c = map_get(r->doc, d, "condition");
	if (!c)
		return bad_at(r, d, "a detection needs a 'condition'");
	p->cat = p->category && !p->service && known_product(p->product) ? row_cat_find(p->category)
									 : ROW_CATS;
	if (p->cat == ROW_CATS)
		p->fate = SIGMA_NO_EVENTS; /* its condition is read all the same: is it whole? */
	rc = condition_expr(r, c, d, &r->rule->expr);
	if (!rc && p->fate == SIGMA_READY)
		p->fate = r->outdated	   ? SIGMA_OUTDATED
			  : r->placeholder ? SIGMA_PLACEHOLDER
					   : SIGMA_READY;
	return rc;
}

static void rule_free(struct rule *r)
{
	const char *const texts[] = { r->pub.file,     r->pub.id,	   r->pub.name,
				      r->pub.title,    r->pub.level,	   r->pub.tags,
				      r->pub.status,   r->pub.description, r->pub.false_positives,
				      r->pub.category, r->pub.product,	   r->pub.service };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free((void *)texts[i]);
	correlation_free(r->cor);
	free(r->correlations);
	free(r);
}

static int by_key(const void *a, const void *b)
{
	const yaml_node_t *const *x = a, *const *y = b;
	int d = strcmp(scalar_text(*x), scalar_text(*y));

	return d ? d : *x < *y ? -1 : *x > *y;
}

/* What is there twice would mean one thing to one reader and another to the next. */
static int no_key_twice(struct reading *r, const yaml_node_t *map)
{
	size_t all = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start), n = 0;
	cleanup_free const yaml_node_t **key = xcalloc(all + 1, sizeof(yaml_node_t *));

	for (size_t i = 0; i < all; i++) {
		key[n] = yaml_document_get_node(r->doc, map->data.mapping.pairs.start[i].key);
		n += scalar_text(key[n]) != NULL;
	}
	qsort(key, n, sizeof(yaml_node_t *), by_key);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(scalar_text(key[i - 1]), scalar_text(key[i])))
			return bad_at(r, key[i], "'%s' is there twice", scalar_text(key[i]));
	return 0;
}

static int read_rule(struct reading *r, const yaml_node_t *root)
{
	struct sigma *s = r->s;
	int rc;

	if (s->nrules == SIGMA_RULES_MAX)
		return bad_at(r, root, "more than %d rules", SIGMA_RULES_MAX);
	r->rule = xcalloc(1, sizeof(*r->rule));
	r->placeholder = r->outdated = false;
	r->first_expr = s->nexprs;
	about(r, root);
	if (!r->rule->pub.title)
		rc = bad_at(r, root, "a rule needs a 'title'");
	else if (map_get(r->doc, root, "correlation"))
		rc = correlation_read(r, map_get(r->doc, root, "correlation"));
	else
		rc = read_detection(r, root);
	if (rc) {
		rule_free(r->rule);
		return rc;
	}
	if (s->nrules == s->rules_cap) {
		s->rules_cap = s->rules_cap ? 2 * s->rules_cap : 256;
		s->rule = xrealloc(s->rule, s->rules_cap * sizeof(struct rule *));
	}
	s->rule[s->nrules++] = r->rule;
	return 0;
}

/* A rule; or what is said for all rules behind it, which @global takes over. */
static int read_document(struct reading *r, yaml_document_t *global)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->doc), *action;

	if (scalar_null(root))
		return 0;
	if (root->type != YAML_MAPPING_NODE)
		return bad_at(r, root, "a rule is a mapping of names to values");
	for (yaml_node_t *n = r->doc->nodes.start; n < r->doc->nodes.top; n++)
		if (n->type == YAML_MAPPING_NODE && no_key_twice(r, n))
			return -EINVAL;
	action = map_get(r->doc, root, "action");
	if (action && scalar_text(action) && !strcmp(scalar_text(action), "reset")) {
		yaml_document_delete(global);
		memset(global, 0, sizeof(*global));
	} else if (action && (!scalar_text(action) || strcmp(scalar_text(action), "global"))) {
		return bad_at(r, action, "an action is 'global' or 'reset'");
	}
	if (global->nodes.start)
		global_join(r->doc, global);
	if (!action)
		return read_rule(r, yaml_document_get_root_node(r->doc));
	if (!strcmp(scalar_text(action), "global")) {
		yaml_document_delete(global);
		*global = *r->doc;
		memset(r->doc, 0, sizeof(*r->doc));
	}
	return 0;
}

/* ---- one file ----------------------------------------------------------------------------- */

/** struct text - what is left of a file */
struct text {
	const char *p;
	size_t n, line; /* lines before it */
};

/* From the next document's begin on, at or after line @line of @t; false: there is none. */
static bool skip_to_document(struct text *t, size_t line)
{
	size_t at = 0;

	for (size_t i = 0; at < t->n; i++) {
		const char *end = memchr(t->p + at, '\n', t->n - at);

		if (i && i >= line && t->n - at >= 3 && !memcmp(t->p + at, "---", 3)) {
			*t = (struct text){ t->p + at, t->n - at, t->line + i };
			return true;
		}
		at = end ? (size_t)(end - t->p) + 1 : t->n;
	}
	return false;
}

static void tell(const struct sigma *s, const struct err *one, struct err *first)
{
	if (!one->code)
		return;
	sigma_bad(s, one->msg);
	if (!first->code)
		*first = *one;
}

/* Documents up to the end, or to one that is no YAML: true when others may be behind that. */
static bool read_documents(struct sigma *s, const char *file, struct text *t,
			   yaml_document_t *global, struct err *first)
{
	yaml_parser_t parser;
	bool more = false;

	if (!yaml_parser_initialize(&parser))
		abort(); /* no memory: as xmalloc() */
	yaml_parser_set_input_string(&parser, (const unsigned char *)t->p, t->n);
	for (bool end = false; !end;) {
		struct err one = { 0 };
		yaml_document_t doc;
		struct reading r = {
			.s = s, .file = file, .line = t->line, .doc = &doc, .err = &one
		};

		if (!yaml_parser_load(&parser, &doc)) {
			err_set_exit(&one, EXIT_USAGE, 0, "judge: %s:%zu:%zu: %s", file,
				     t->line + parser.problem_mark.line + 1,
				     parser.problem_mark.column + 1,
				     parser.problem ? parser.problem : "no YAML");
			one.code = EINVAL;
			more = skip_to_document(t, parser.problem_mark.line);
			end = true;
		} else {
			if (!yaml_document_get_root_node(&doc))
				end = true;
			else
				read_document(&r, global);
			yaml_document_delete(&doc);
		}
		tell(s, &one, first);
	}
	yaml_parser_delete(&parser);
	return more;
}

int sigma_add(struct sigma *s, const char *file, const char *text, size_t n, struct err *err)
{
	struct err first = { 0 };
	struct text t = { text, n, 0 };
	yaml_document_t global = { 0 };

	if (n > SIGMA_FILE_MAX) {
		err_set_exit(&first, EXIT_USAGE, EFBIG, "judge: %s has more than %u bytes", file,
			     SIGMA_FILE_MAX);
		sigma_bad(s, first.msg);
	} else {
		while (read_documents(s, file, &t, &global, &first))
			;
	}
	yaml_document_delete(&global);
	if (first.code && err)
		*err = first;
	return -first.code;
}

/* ---- all of them -------------------------------------------------------------------------- */

struct sigma *sigma_new(void)
{
	return xcalloc(1, sizeof(struct sigma));
}

void sigma_tell(struct sigma *s, void (*bad)(void *ctx, const char *sentence), void *ctx)
{
	s->bad = bad;
	s->bad_ctx = ctx;
}

void sigma_bad(const struct sigma *s, const char *sentence)
{
	if (s->bad)
		s->bad(s->bad_ctx, sentence);
}

void sigma_placeholder(struct sigma *s, const char *name, const char *value)
{
	struct placeholder *p = NULL;

	HASH_FIND_STR(s->placeholders, name, p);
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, s->placeholders, p->name, strlen(p->name), p);
	}
	p->values = xrealloc(p->values, (p->n + 1) * sizeof(char *));
	p->values[p->n++] = xstrdup(value);
}

size_t sigma_count(const struct sigma *s)
{
	return s->nrules;
}

const struct sigma_rule *sigma_get(const struct sigma *s, size_t i)
{
	return &s->rule[i]->pub;
}

void sigma_free(struct sigma *s)
{
	struct placeholder *p, *next;

	if (!s)
		return;
	for (size_t i = 0; i < s->nrules; i++)
		rule_free(s->rule[i]);
	HASH_ITER(hh, s->placeholders, p, next)
	{
		HASH_DEL(s->placeholders, p);
		for (size_t i = 0; i < p->n; i++)
			free(p->values[i]);
		free(p->values);
		free(p->name);
		free(p);
	}
	match_free(s);
	for (size_t c = 0; c < ROW_CATS; c++)
		free(s->always[c].v);
	free(s->rule);
	free(s->expr);
	free(s);
}
