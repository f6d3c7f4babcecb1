// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_condition.c - the condition of a rule, and the selections that it names
 *
 *   or    = and { "or" and }
 *   and   = not { "and" not }
 *   not   = "not" not | "(" or ")" | ("all" | "any" | NUMBER) "of" ("them" | PATTERN) | NAME
 */
#include <ctype.h>
#include <fnmatch.h>

#include "judge/sigma_inner.h"

#define WORD_MAX 200

struct parser {
	struct reading *r;
	const yaml_node_t *at, *detection;
	const char *p;
	char word[WORD_MAX];
	int depth;
};

/* ---- words -------------------------------------------------------------------------------- */

static void advance(struct parser *c)
{
	size_t n = 0;

	while (isspace((unsigned char)*c->p))
		c->p++;
	if (*c->p && strchr("()|", *c->p)) {
		c->word[n++] = *c->p++;
	} else {
		for (; *c->p && !isspace((unsigned char)*c->p) && !strchr("()|", *c->p); c->p++)
			if (n + 1 < sizeof(c->word))
				c->word[n++] = *c->p;
	}
	c->word[n] = 0;
}

static bool is(const struct parser *c, const char *word)
{
	return !strcasecmp(c->word, word);
}

static int unexpected(struct parser *c, const char *wanted)
{
	return c->word[0] ? bad_at(c->r, c->at, "condition: '%s' where %s is expected", c->word,
				   wanted)
			  : bad_at(c->r, c->at, "condition: ends where %s is expected", wanted);
}

/* ---- selections --------------------------------------------------------------------------- */

static int map_expr(struct reading *r, const yaml_node_t *map, uint32_t *ret)
{
	struct list parts = { 0 };
	int rc = 0;

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < map->data.mapping.pairs.top && !rc; p++) {
		uint32_t e = 0;

		rc = item_expr(r, yaml_document_get_node(r->doc, p->key),
			       yaml_document_get_node(r->doc, p->value), &e);
		if (!rc)
			list_add(&parts, e);
	}
	if (!rc)
		*ret = expr_join(r->s, EXPR_AND, parts.v, parts.n);
	free(parts.v);
	return rc;
}

static bool node_empty(const yaml_node_t *n)
{
	return n->type == YAML_MAPPING_NODE
		       ? n->data.mapping.pairs.start == n->data.mapping.pairs.top
		       : n->type == YAML_SEQUENCE_NODE &&
				 n->data.sequence.items.start == n->data.sequence.items.top;
}

int selection_expr(struct reading *r, yaml_node_t *n, int depth, uint32_t *ret)
{
	struct list parts = { 0 };
	int rc = 0;

	if (depth > SIGMA_DEPTH_MAX)
		return bad_at(r, n, "more than %d levels", SIGMA_DEPTH_MAX);
	if (r->s->nexprs - r->first_expr > SIGMA_EXPRS_MAX)
		return bad_at(r, n, "more than %d tests in one rule", SIGMA_EXPRS_MAX);
	if (node_empty(n))
		return bad_at(r, n, "a selection without a test");
	if (n->type == YAML_MAPPING_NODE)
		return map_expr(r, n, ret);
	if (n->type == YAML_SCALAR_NODE)
		return keyword_expr(r, n, ret);
	for (yaml_node_item_t *i = n->data.sequence.items.start;
	     i < n->data.sequence.items.top && !rc; i++) {
		uint32_t e = 0;

		rc = selection_expr(r, yaml_document_get_node(r->doc, *i), depth + 1, &e);
		if (!rc)
			list_add(&parts, e);
	}
	if (!rc)
		*ret = expr_join(r->s, EXPR_OR, parts.v, parts.n);
	free(parts.v);
	return rc;
}

/* All selections whose name fits; "them": all but those that begin with '_'. */
static int several(struct parser *c, const char *pattern, struct list *ret)
{
	const yaml_node_t *d = c->detection;
	bool them = !strcasecmp(pattern, "them");

	for (yaml_node_pair_t *p = d->data.mapping.pairs.start; p < d->data.mapping.pairs.top;
	     p++) {
		const char *name = scalar_text(yaml_document_get_node(c->r->doc, p->key));
		uint32_t e = 0;
		int rc;

		if (!name || !strcmp(name, "condition") || !strcmp(name, "timeframe") ||
		    (them ? name[0] == '_' : fnmatch(pattern, name, 0) != 0))
			continue;
		rc = selection_expr(c->r, yaml_document_get_node(c->r->doc, p->value), 0, &e);
		if (rc)
			return rc;
		list_add(ret, e);
	}
	return ret->n ? 0 : bad_at(c->r, c->at, "condition: no selection is called '%s'", pattern);
}

/* At least @k of @v: an OR over the ways to choose the first that holds. */
static uint32_t at_least(struct sigma *s, unsigned k, const uint32_t *v, size_t n)
{
	uint32_t both[2], either[2];

	if (!k)
		return expr_new(s, EXPR_TRUE, 0);
	if (n < k)
		return expr_new(s, EXPR_FALSE, 0);
	if (n == k) {
		struct list copies = { 0 };
		uint32_t e;

		for (size_t i = 0; i < n; i++)
			list_add(&copies, expr_copy(s, v[i]));
		e = expr_join(s, EXPR_AND, copies.v, copies.n);
		free(copies.v);
		return e;
	}
	both[0] = expr_copy(s, v[0]);
	both[1] = at_least(s, k - 1, v + 1, n - 1);
	either[0] = expr_join(s, EXPR_AND, both, 2);
	either[1] = at_least(s, k, v + 1, n - 1);
	return expr_join(s, EXPR_OR, either, 2);
}

#define CHOOSE_MAX 12 /* 'N of' with N > 1 over more selections would be a large expression */

static int quantity(struct parser *c, uint32_t *ret)
{
	bool all = is(c, "all");
	unsigned k = all || is(c, "any") ? 1 : (unsigned)strtoul(c->word, NULL, 10);
	struct list l = { 0 };
	int rc;

	advance(c);
	if (!is(c, "of"))
		return unexpected(c, "'of'");
	advance(c);
	if (!c->word[0] || strchr("()|", c->word[0]))
		return unexpected(c, "a name or 'them'");
	if (!all && !k)
		return bad_at(c->r, c->at, "condition: '0 of' is always true");
	rc = several(c, c->word, &l);
	if (!rc && !all && k > 1 && l.n > CHOOSE_MAX)
		rc = bad_at(c->r, c->at, "condition: '%u of' more than %d selections", k,
			    CHOOSE_MAX);
	if (!rc)
		*ret = all	? expr_join(c->r->s, EXPR_AND, l.v, l.n)
		       : k == 1 ? expr_join(c->r->s, EXPR_OR, l.v, l.n)
				: at_least(c->r->s, k, l.v, l.n);
	free(l.v);
	if (!rc)
		advance(c);
	return rc;
}

/* ---- grammar ------------------------------------------------------------------------------ */

static int parse_or(struct parser *c, uint32_t *ret);

static int named(struct parser *c, uint32_t *ret)
{
	yaml_node_t *n = map_get(c->r->doc, c->detection, c->word);

	if (!n)
		return bad_at(c->r, c->at, "condition: no selection is called '%s'", c->word);
	advance(c);
	return selection_expr(c->r, n, 0, ret);
}

static bool starts_quantity(const struct parser *c)
{
	const char *p = c->p;

	if (!is(c, "all") && !is(c, "any") && !isdigit((unsigned char)c->word[0]))
		return false;
	while (isspace((unsigned char)*p))
		p++;
	return !strncasecmp(p, "of", 2) && (isspace((unsigned char)p[2]) || !p[2]);
}

static int parse_not(struct parser *c, uint32_t *ret)
{
	int rc;

	if (++c->depth > SIGMA_DEPTH_MAX)
		return bad_at(c->r, c->at, "condition: more than %d levels", SIGMA_DEPTH_MAX);
	if (is(c, "not")) {
		advance(c);
		rc = parse_not(c, ret);
		if (!rc)
			*ret = expr_new(c->r->s, EXPR_NOT, *ret);
	} else if (is(c, "(")) {
		advance(c);
		rc = parse_or(c, ret);
		if (!rc && !is(c, ")"))
			rc = unexpected(c, "')'");
		if (!rc)
			advance(c);
	} else if (starts_quantity(c)) {
		rc = quantity(c, ret);
	} else if (!c->word[0] || strchr("()|", c->word[0]) || is(c, "and") || is(c, "or")) {
		rc = unexpected(c, "a selection");
	} else {
		rc = named(c, ret);
	}
	c->depth--;
	return rc;
}

static int parse_chain(struct parser *c, enum expr_op op, uint32_t *ret)
{
	struct list l = { 0 };
	int rc;

	do {
		uint32_t e = 0;

		if (l.n)
			advance(c);
		rc = op == EXPR_OR ? parse_chain(c, EXPR_AND, &e) : parse_not(c, &e);
		list_add(&l, e);
	} while (!rc && is(c, op == EXPR_OR ? "or" : "and"));
	if (!rc)
		*ret = expr_join(c->r->s, op, l.v, l.n);
	free(l.v);
	return rc;
}

static int parse_or(struct parser *c, uint32_t *ret)
{
	return parse_chain(c, EXPR_OR, ret);
}

static int one_condition(struct reading *r, const yaml_node_t *at, const yaml_node_t *detection,
			 uint32_t *ret)
{
	struct parser c = { .r = r, .at = at, .detection = detection, .p = scalar_text(at) };
	int rc;

	if (!c.p)
		return bad_at(r, at, "a condition is text");
	advance(&c);
	rc = parse_or(&c, ret);
	if (!rc && is(&c, "|"))
		r->outdated = true;
	else if (!rc && c.word[0])
		rc = unexpected(&c, "'and' or 'or'");
	return rc;
}

int condition_expr(struct reading *r, const yaml_node_t *at, const yaml_node_t *detection,
		   uint32_t *ret)
{
	struct list l = { 0 };
	int rc = 0;

	if (at->type != YAML_SEQUENCE_NODE)
		return one_condition(r, at, detection, ret);
	for (yaml_node_item_t *i = at->data.sequence.items.start;
	     i < at->data.sequence.items.top && !rc; i++) {
		uint32_t e = 0;

		rc = one_condition(r, yaml_document_get_node(r->doc, *i), detection, &e);
		list_add(&l, e);
	}
	if (!rc)
		*ret = expr_join(r->s, EXPR_OR, l.v, l.n);
	free(l.v);
	return rc;
}
