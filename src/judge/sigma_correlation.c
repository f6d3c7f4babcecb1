// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_correlation.c - rules over matches of other rules: how many, how many different, together
 *
 * For each combination of group-by values the matches of the last timespan are kept, at most
 * EVENTS_MAX of them; when the condition holds the correlation has matched, and its window begins
 * anew, so that one burst is told once. Times are the box's.
 */
#include <ctype.h>

#include "judge/sigma_inner.h"

#define GROUPS_MAX 65536 /* a correlation's; the one that was quiet for longest makes room */
#define EVENTS_MAX 10000 /* of one group */
#define KEY_MAX	   4096

struct seen {
	uint64_t seq, wall;
	uint32_t rule;
	uint64_t value; /* hash of the counted field's value; 0: none */
};

/** struct kind - how many of the matches that are kept have this value, or are of this rule */
struct kind {
	uint64_t what;
	size_t n;
	UT_hash_handle hh;
};

struct cor_group {
	char *key;
	struct seen *seen; /* those from .from on count: what is before them goes when there is no
			      room */
	size_t from, n, cap;
	struct kind *kinds; /* different values, or rules */
	UT_hash_handle hh;
};

/* ---- reading ------------------------------------------------------------------------------ */

static int timespan(struct reading *r, const yaml_node_t *n, uint64_t *ret)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 },      { 'm', 60 },	 { 'h', 3600 },	   { 'd', 86400 },
		      { 'w', 604800 }, { 'M', 2629746 }, { 'y', 31556952 } };
	const char *s = scalar_text(n);
	char *end;
	unsigned long v = s ? strtoul(s, &end, 10) : 0;

	for (size_t i = 0; s && i < ARRAY_SIZE(units); i++)
		if (end != s && *end == units[i].unit && !end[1] && v > 0 && v < 100000) {
			*ret = v * units[i].seconds * NSEC_PER_SEC;
			return 0;
		}
	return bad_at(r, n, "a timespan is a number and one of s m h d w M y");
}

static int type_of(struct reading *r, const yaml_node_t *n, enum correlation_type *ret)
{
	static const char *const names[] = { [COR_EVENT_COUNT] = "event_count",
					     [COR_VALUE_COUNT] = "value_count",
					     [COR_TEMPORAL] = "temporal",
					     [COR_TEMPORAL_ORDERED] = "temporal_ordered" };
	const char *s = scalar_text(n);

	for (size_t i = 0; s && i < ARRAY_SIZE(names); i++)
		if (!strcmp(s, names[i])) {
			*ret = (enum correlation_type)i;
			return 0;
		}
	return bad_at(r, n, "correlation type '%s' is not known", s ? s : "");
}

static int read_condition(struct reading *r, const yaml_node_t *n, struct correlation *c)
{
	static const char *const names[] = { [CMP_EQ] = "eq",  [CMP_NE] = "neq", [CMP_LT] = "lt",
					     [CMP_LE] = "lte", [CMP_GT] = "gt",	 [CMP_GE] = "gte" };

	if (n->type != YAML_MAPPING_NODE)
		return bad_at(r, n, "a correlation's condition is a mapping such as 'gte: 10'");
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *v = yaml_document_get_node(r->doc, p->value);
		const char *key = scalar_text(yaml_document_get_node(r->doc, p->key));
		const char *text = scalar_text(v);
		char *end = NULL;

		if (key && !strcmp(key, "field") && text) {
			free(c->field);
			c->field = xstrdup(text);
			continue;
		}
		for (size_t i = 0; key && text && i < ARRAY_SIZE(names); i++)
			if (!strcmp(key, names[i]) && c->nconditions < 4) {
				c->condition[c->nconditions].compare = (enum compare)i;
				c->condition[c->nconditions++].number = strtod(text, &end);
			}
		if (!end || end == text || *end)
			return bad_at(r, v, "'%s' in a correlation's condition", key ? key : "");
		if (c->condition[c->nconditions - 1].number > EVENTS_MAX)
			return bad_at(r, v, "a correlation counts to %d", EVENTS_MAX);
	}
	return 0;
}

static void read_names(struct reading *r, const yaml_node_t *n, struct correlation *c)
{
	const yaml_node_item_t *i, *top;

	if (scalar_text(n)) {
		c->names = xmalloc(sizeof(char *));
		c->names[c->nrules++] = xstrdup(scalar_text(n));
		return;
	}
	i = n->data.sequence.items.start;
	top = n->data.sequence.items.top;
	c->names = xcalloc((size_t)(top - i) + 1, sizeof(char *));
	for (; i < top; i++) {
		const char *s = scalar_text(yaml_document_get_node(r->doc, *i));

		if (s)
			c->names[c->nrules++] = xstrdup(s);
	}
}

static int read_group(struct reading *r, const yaml_node_t *by, struct correlation *c)
{
	const yaml_node_item_t *i, *top;

	if (scalar_text(by)) {
		c->group_by[c->ngroup++] = xstrdup(scalar_text(by));
		return 0;
	}
	if (by->type != YAML_SEQUENCE_NODE)
		return bad_at(r, by, "'group-by' is a list of fields");
	top = by->data.sequence.items.top;
	for (i = by->data.sequence.items.start; i < top; i++) {
		const yaml_node_t *n = yaml_document_get_node(r->doc, *i);

		if (!scalar_text(n))
			return bad_at(r, n, "'group-by' is a list of fields");
		if (c->ngroup == GROUP_BY_MAX)
			return bad_at(r, n, "more than %d fields in 'group-by'", GROUP_BY_MAX);
		c->group_by[c->ngroup++] = xstrdup(scalar_text(n));
	}
	return 0;
}

static void read_aliases(struct reading *r, const yaml_node_t *map, struct correlation *c)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		const char *name = scalar_text(yaml_document_get_node(r->doc, p->key));
		const yaml_node_t *of = yaml_document_get_node(r->doc, p->value);

		if (!name || of->type != YAML_MAPPING_NODE)
			continue;
		for (yaml_node_pair_t *q = of->data.mapping.pairs.start;
		     q < of->data.mapping.pairs.top; q++) {
			const char *rule = scalar_text(yaml_document_get_node(r->doc, q->key));
			const char *field = scalar_text(yaml_document_get_node(r->doc, q->value));

			if (!rule || !field)
				continue;
			c->alias = xrealloc(c->alias, (c->naliases + 1) * sizeof(*c->alias));
			c->alias[c->naliases++] =
				(struct alias){ xstrdup(name), xstrdup(rule), xstrdup(field) };
		}
	}
}

int correlation_read(struct reading *r, const yaml_node_t *map)
{
	struct correlation *c = r->rule->cor = xcalloc(1, sizeof(*c));
	yaml_node_t *rules = map_get(r->doc, map, "rules");
	yaml_node_t *by = map_get(r->doc, map, "group-by");
	yaml_node_t *when = map_get(r->doc, map, "condition");
	yaml_node_t *aliases = map_get(r->doc, map, "aliases");
	const char *generate = scalar_text(map_get(r->doc, map, "generate"));
	int rc;

	r->rule->pub.correlation = true;
	rc = type_of(r, map_get(r->doc, map, "type"), &c->type);
	if (!rc)
		rc = timespan(r, map_get(r->doc, map, "timespan"), &c->span);
	if (rc)
		return rc;
	if (!rules || rules->type == YAML_MAPPING_NODE)
		return bad_at(r, map, "a correlation names its 'rules'");
	read_names(r, rules, c);
	c->line = (int)rules->start_mark.line + 1;
	c->column = (int)rules->start_mark.column + 1;
	if (by)
		rc = read_group(r, by, c);
	if (aliases && aliases->type == YAML_MAPPING_NODE)
		read_aliases(r, aliases, c);
	c->generate = generate && !strcasecmp(generate, "true");
	if (when && !rc)
		rc = read_condition(r, when, c);
	if (!rc && c->type == COR_VALUE_COUNT && !c->field) {
		const char *f = scalar_text(map_get(r->doc, map, "field"));

		if (!f)
			return bad_at(r, map, "value_count needs a 'field'");
		c->field = xstrdup(f);
	}
	if (!rc && c->type <= COR_VALUE_COUNT && !c->nconditions)
		return bad_at(r, map, "a count needs a 'condition'");
	return rc;
}

static long find_rule(const struct sigma *s, const char *name)
{
	for (size_t i = 0; i < s->nrules; i++) {
		const struct sigma_rule *p = &s->rule[i]->pub;

		if ((p->name && !strcmp(p->name, name)) || (p->id && !strcmp(p->id, name)))
			return (long)i;
	}
	return -1;
}

static void cannot(const struct sigma *s, struct rule *r, const char *what, const char *which)
{
	cleanup_free char *sentence = xasprintf("judge: %s:%d:%d: %s '%s'", r->pub.file,
						r->cor->line, r->cor->column, what, which);

	r->pub.fate = SIGMA_NO_RULES;
	sigma_bad(s, sentence);
}

static void find_rules(struct sigma *s, struct rule *r)
{
	struct correlation *c = r->cor;

	c->rules = xcalloc(c->nrules + 1, sizeof(*c->rules));
	for (size_t k = 0; k < c->nrules; k++) {
		long at = find_rule(s, c->names[k]);

		if (at < 0) {
			cannot(s, r, "no rule is called", c->names[k]);
			return;
		}
		c->rules[k] = (uint32_t)at;
		c->ndifferent++;
		for (size_t i = 0; i < k; i++)
			if (c->rules[i] == c->rules[k]) {
				c->ndifferent--;
				break;
			}
	}
}

/* What a correlation is made of comes before it: those that have no events, or are no rules, leave
 * it without. False: it leads back to one that is on the way. */
static bool settle(struct sigma *s, struct rule *r, int depth)
{
	struct correlation *c = r->cor;

	if (!c || c->state == COR_DONE || r->pub.fate != SIGMA_READY)
		return true;
	if (c->state == COR_OPEN || depth > SIGMA_DEPTH_MAX)
		return false;
	c->state = COR_OPEN;
	for (size_t k = 0; k < c->nrules && r->pub.fate == SIGMA_READY; k++) {
		struct rule *of = s->rule[c->rules[k]];

		if (!settle(s, of, depth + 1))
			cannot(s, r, "a correlation of itself, or of too many levels, by",
			       c->names[k]);
		else
			r->pub.fate = of->pub.fate;
	}
	c->state = COR_DONE;
	return true;
}

void correlations_resolve(struct sigma *s)
{
	for (size_t i = 0; i < s->nrules; i++)
		if (s->rule[i]->cor)
			find_rules(s, s->rule[i]);
	for (size_t i = 0; i < s->nrules; i++)
		settle(s, s->rule[i], 0);
	for (size_t i = 0; i < s->nrules; i++) {
		const struct correlation *c = s->rule[i]->cor;

		for (size_t k = 0; c && s->rule[i]->pub.fate != SIGMA_NO_RULES && k < c->nrules;
		     k++) {
			struct rule *of = s->rule[c->rules[k]];
			struct list l = { of->correlations, of->ncorrelations };

			of->silent |= !c->generate;
			if (s->rule[i]->pub.fate != SIGMA_READY)
				continue;
			list_add(&l, (uint32_t)i);
			of->correlations = l.v;
			of->ncorrelations = l.n;
		}
	}
}

/* ---- matching ----------------------------------------------------------------------------- */

static struct str value_of(const struct sigma *s, const struct correlation *c, uint32_t rule,
			   const char *field, const struct row *row)
{
	const struct sigma_rule *p = &s->rule[rule]->pub;
	int at;

	for (size_t i = 0; i < c->naliases; i++) {
		const struct alias *a = &c->alias[i];

		if (!strcmp(a->name, field) && ((p->name && !strcmp(a->rule, p->name)) ||
						(p->id && !strcmp(a->rule, p->id)))) {
			field = a->field;
			break;
		}
	}
	at = row_field(row->cat, field);
	return at < 0 ? (struct str){ 0 } : row->v[at];
}

static void group_free(struct correlation *c, struct cor_group *g)
{
	struct kind *k, *next;

	HASH_ITER(hh, g->kinds, k, next)
	{
		HASH_DEL(g->kinds, k);
		free(k);
	}
	HASH_DEL(c->groups, g);
	free(g->seen);
	free(g->key);
	free(g);
	c->ngroups--;
}

static struct cor_group *group_of(struct sigma *s, struct correlation *c, uint32_t rule,
				  const struct row *row)
{
	cleanup_buf struct buf key = { .limit = KEY_MAX };
	struct cor_group *g = NULL;

	for (int i = 0; i < c->ngroup; i++) {
		struct str v = value_of(s, c, rule, c->group_by[i], row);

		buf_printf(&key, "%zu:", v.n);
		buf_add(&key, v.p, v.n);
	}
	HASH_FIND(hh, c->groups, key.p ? key.p : "", key.n, g);
	if (g) { /* to the end: the first is the one that was quiet for longest */
		HASH_DEL(c->groups, g);
	} else {
		if (c->ngroups == GROUPS_MAX) {
			group_free(c, c->groups);
			s->forgotten++;
		}
		g = xcalloc(1, sizeof(*g));
		g->key = xmalloc(key.n + 1);
		if (key.n)
			memcpy(g->key, key.p, key.n);
		c->ngroups++;
	}
	HASH_ADD_KEYPTR(hh, c->groups, g->key, key.n, g);
	return g;
}

/* 0: none that is counted */
static uint64_t kind_of(const struct correlation *c, const struct seen *one)
{
	return c->type == COR_EVENT_COUNT   ? 0
	       : c->type == COR_VALUE_COUNT ? one->value
					    : one->rule + 1ull;
}

static void kind_add(const struct correlation *c, struct cor_group *g, const struct seen *one)
{
	uint64_t what = kind_of(c, one);
	struct kind *k = NULL;

	if (!what)
		return;
	HASH_FIND(hh, g->kinds, &what, sizeof(what), k);
	if (!k) {
		k = xcalloc(1, sizeof(*k));
		k->what = what;
		HASH_ADD(hh, g->kinds, what, sizeof(k->what), k);
	}
	k->n++;
}

static void kind_drop(const struct correlation *c, struct cor_group *g, const struct seen *one)
{
	uint64_t what = kind_of(c, one);
	struct kind *k = NULL;

	if (!what)
		return;
	HASH_FIND(hh, g->kinds, &what, sizeof(what), k);
	if (k && !--k->n) {
		HASH_DEL(g->kinds, k);
		free(k);
	}
}

static void forget(const struct correlation *c, struct cor_group *g, size_t n)
{
	for (; n; n--)
		kind_drop(c, g, &g->seen[g->from++]);
}

static void remember(struct sigma *s, const struct correlation *c, struct cor_group *g,
		     struct seen one)
{
	while (g->from < g->n && g->seen[g->from].wall + c->span < one.wall)
		forget(c, g, 1);
	if (g->n - g->from == EVENTS_MAX) {
		forget(c, g, 1);
		s->forgotten++;
	}
	if (g->n == g->cap && g->from && g->from >= g->n / 2) { /* half of it is past */
		memmove(g->seen, g->seen + g->from, (g->n - g->from) * sizeof(*g->seen));
		g->n -= g->from;
		g->from = 0;
	}
	if (g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 8;
		g->seen = xrealloc(g->seen, g->cap * sizeof(*g->seen));
	}
	kind_add(c, g, &one);
	g->seen[g->n++] = one;
}

/* The first of each rule after that of the one before. */
static bool in_order(const struct correlation *c, const struct cor_group *g)
{
	size_t i = g->from;

	for (size_t k = 0; k < c->nrules; k++, i++) {
		while (i < g->n && g->seen[i].rule != c->rules[k])
			i++;
		if (i == g->n)
			return false;
	}
	return true;
}

static bool fulfilled(const struct correlation *c, const struct cor_group *g)
{
	double n = (double)(c->type == COR_EVENT_COUNT ? g->n - g->from : HASH_COUNT(g->kinds));

	if (c->type >= COR_TEMPORAL && !c->nconditions && HASH_COUNT(g->kinds) < c->ndifferent)
		return false;
	if (c->type == COR_TEMPORAL_ORDERED && !in_order(c, g))
		return false;
	for (int i = 0; i < c->nconditions; i++)
		if (!compare_numbers(n, c->condition[i].compare, c->condition[i].number))
			return false;
	return true;
}

static int feed_one(struct sigma *s, uint32_t cor, uint32_t rule, const struct row *row,
		    int (*fn)(void *ctx, const struct sigma_match *m), void *ctx)
{
	struct correlation *c = s->rule[cor]->cor;
	struct cor_group *g = group_of(s, c, rule, row);
	struct seen one = { .seq = row->seq, .wall = row->wall, .rule = rule };
	struct sigma_match m = { .rule = &s->rule[cor]->pub, .row = row };
	cleanup_free uint64_t *seqs = NULL;
	int rc = 0;

	if (c->field) {
		struct str v = value_of(s, c, rule, c->field, row);

		one.value = v.p ? fnv1a(FNV1A, v.p, v.n) | 1 : 0;
	}
	remember(s, c, g, one);
	if (!fulfilled(c, g))
		return 0;
	m.nseqs = g->n - g->from;
	seqs = xcalloc(m.nseqs, sizeof(*seqs));
	for (size_t i = 0; i < m.nseqs; i++)
		seqs[i] = g->seen[g->from + i].seq;
	m.seqs = seqs;
	forget(c, g, m.nseqs);
	if (!s->rule[cor]->silent)
		rc = fn(ctx, &m);
	return rc ? rc : correlation_feed(s, cor, row, fn, ctx);
}

int correlation_feed(struct sigma *s, uint32_t rule, const struct row *row,
		     int (*fn)(void *ctx, const struct sigma_match *m), void *ctx)
{
	int rc = 0;

	/* no circle: settle() */
	for (size_t i = 0; i < s->rule[rule]->ncorrelations && !rc; i++)
		rc = feed_one(s, s->rule[rule]->correlations[i], rule, row, fn, ctx);
	return rc;
}

void correlation_free(struct correlation *c)
{
	if (!c)
		return;
	while (c->groups)
		group_free(c, c->groups);
	for (size_t i = 0; i < c->nrules; i++)
		free(c->names[i]);
	for (int i = 0; i < c->ngroup; i++)
		free(c->group_by[i]);
	for (size_t i = 0; i < c->naliases; i++) {
		free(c->alias[i].name);
		free(c->alias[i].rule);
		free(c->alias[i].field);
	}
	free(c->alias);
	free(c->names);
	free(c->rules);
	free(c->field);
	free(c);
}
