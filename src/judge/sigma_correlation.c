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
	uint64_t value; /* hash of the counted field's value */
};

struct cor_group {
	char *key;
	struct seen *seen; /* ring of EVENTS_MAX once it is that large */
	size_t n, cap;
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
		yaml_node_t *v = yaml_document_get_node(r->doc, p->value);
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
	if (by && by->type == YAML_SEQUENCE_NODE) {
		for (yaml_node_item_t *i = by->data.sequence.items.start;
		     i < by->data.sequence.items.top; i++) {
			const char *s = scalar_text(yaml_document_get_node(r->doc, *i));

			if (s && c->ngroup < GROUP_BY_MAX)
				c->group_by[c->ngroup++] = xstrdup(s);
		}
	}
	if (aliases && aliases->type == YAML_MAPPING_NODE)
		read_aliases(r, aliases, c);
	c->generate = generate && !strcasecmp(generate, "true");
	if (when)
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

int correlations_resolve(struct sigma *s, struct err *err)
{
	for (size_t i = 0; i < s->nrules; i++) {
		struct correlation *c = s->rule[i]->cor;

		if (!c)
			continue;
		c->rules = xcalloc(c->nrules + 1, sizeof(*c->rules));
		for (size_t k = 0; k < c->nrules; k++) {
			long at = find_rule(s, c->names[k]);
			struct list l;

			if (at < 0)
				return err_set_exit(err, EXIT_USAGE, ENOENT,
						    "judge: %s:%d: no rule is called '%s'",
						    s->rule[i]->pub.file, s->rule[i]->pub.line,
						    c->names[k]);
			c->rules[k] = (uint32_t)at;
			s->rule[at]->silent |= !c->generate;
			l = (struct list){ s->rule[at]->correlations, s->rule[at]->ncorrelations };
			list_add(&l, (uint32_t)i);
			s->rule[at]->correlations = l.v;
			s->rule[at]->ncorrelations = l.n;
			/* a correlation over rules without events has none either */
			if (s->rule[at]->pub.fate != SIGMA_READY)
				s->rule[i]->pub.fate = s->rule[at]->pub.fate;
		}
	}
	return 0;
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
	HASH_DEL(c->groups, g);
	free(g->seen);
	free(g->key);
	free(g);
	c->ngroups--;
}

static struct cor_group *group_of(const struct sigma *s, struct correlation *c, uint32_t rule,
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
		if (c->ngroups == GROUPS_MAX)
			group_free(c, c->groups);
		g = xcalloc(1, sizeof(*g));
		g->key = xmalloc(key.n + 1);
		if (key.n)
			memcpy(g->key, key.p, key.n);
		c->ngroups++;
	}
	HASH_ADD_KEYPTR(hh, c->groups, g->key, key.n, g);
	return g;
}

static void remember(struct correlation *c, struct cor_group *g, struct seen one)
{
	size_t old = 0;

	while (old < g->n && g->seen[old].wall + c->span < one.wall)
		old++;
	if (g->n - old == EVENTS_MAX)
		old++;
	if (old)
		memmove(g->seen, g->seen + old, (g->n - old) * sizeof(*g->seen));
	g->n -= old;
	if (g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 8;
		g->seen = xrealloc(g->seen, g->cap * sizeof(*g->seen));
	}
	g->seen[g->n++] = one;
}

static size_t different(const struct cor_group *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		size_t k = 0;

		while (k < i && g->seen[k].value != g->seen[i].value)
			k++;
		n += k == i;
	}
	return n;
}

/* All rules at least once; ordered: the first of each after that of the one before. */
static bool together(const struct correlation *c, const struct cor_group *g)
{
	size_t from = 0;

	for (size_t k = 0; k < c->nrules; k++) {
		size_t i = c->type == COR_TEMPORAL_ORDERED ? from : 0;

		while (i < g->n && g->seen[i].rule != c->rules[k])
			i++;
		if (i == g->n)
			return false;
		from = i + 1;
	}
	return true;
}

static bool fulfilled(const struct correlation *c, const struct cor_group *g)
{
	double n = c->type == COR_VALUE_COUNT ? (double)different(g) : (double)g->n;

	if (c->type >= COR_TEMPORAL)
		return together(c, g);
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

		one.value = fnv1a(FNV1A, v.p, v.n);
	}
	remember(c, g, one);
	if (!fulfilled(c, g))
		return 0;
	seqs = xcalloc(g->n, sizeof(*seqs));
	for (size_t i = 0; i < g->n; i++)
		seqs[i] = g->seen[i].seq;
	m.seqs = seqs;
	m.nseqs = g->n;
	g->n = 0;
	if (!s->rule[cor]->silent)
		rc = fn(ctx, &m);
	return rc ? rc : correlation_feed(s, cor, row, fn, ctx);
}

int correlation_feed(struct sigma *s, uint32_t rule, const struct row *row,
		     int (*fn)(void *ctx, const struct sigma_match *m), void *ctx)
{
	int rc = 0;

	/* a correlation comes after the rules that it names: no circle can form */
	for (size_t i = 0; i < s->rule[rule]->ncorrelations && !rc; i++)
		if (s->rule[rule]->correlations[i] > rule || !s->rule[rule]->cor)
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
