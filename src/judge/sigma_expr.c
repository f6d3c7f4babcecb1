// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_expr.c - expressions, atoms, and which atoms a rule cannot do without
 *
 * Triggers of an expression: a set of atoms of which at least one is true whenever the expression
 * is. An AND needs those of any one child (the smallest set is taken), an OR those of all; a NOT,
 * and what is no text, gives none, and then the rule is evaluated for every row of its category.
 */
#include "judge/sigma_inner.h"

#define TRIGGERS_MAX 20000 /* of one rule: more are not worth an index */

void list_add(struct list *l, uint32_t v)
{
	if (!(l->n & (l->n - 1)))
		l->v = xrealloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));
	l->v[l->n++] = v;
}

uint32_t expr_new(struct sigma *s, enum expr_op op, uint32_t first)
{
	if (s->nexprs == s->exprs_cap) {
		s->exprs_cap = s->exprs_cap ? 2 * s->exprs_cap : 1024;
		s->expr = xrealloc(s->expr, s->exprs_cap * sizeof(*s->expr));
		if (!s->nexprs)
			s->expr[s->nexprs++] = (struct expr){ .op = EXPR_FALSE };
	}
	s->expr[s->nexprs] = (struct expr){ .op = op, .first = first };
	return (uint32_t)s->nexprs++;
}

uint32_t expr_atom(struct sigma *s, uint32_t atom)
{
	uint32_t e = expr_new(s, EXPR_ATOM, 0);

	s->expr[e].atom = atom;
	return e;
}

uint32_t expr_join(struct sigma *s, enum expr_op op, const uint32_t *v, size_t n)
{
	if (!n)
		return expr_new(s, op == EXPR_AND ? EXPR_TRUE : EXPR_FALSE, 0);
	if (n == 1)
		return v[0];
	for (size_t i = 0; i + 1 < n; i++)
		s->expr[v[i]].next = v[i + 1];
	s->expr[v[n - 1]].next = 0;
	return expr_new(s, op, v[0]);
}

uint32_t expr_copy(struct sigma *s, uint32_t e)
{
	uint32_t copy = expr_new(s, s->expr[e].op, 0), last = 0;

	s->expr[copy].atom = s->expr[e].atom;
	for (uint32_t c = s->expr[e].first; c; c = s->expr[c].next) {
		uint32_t child = expr_copy(s, c);

		if (last)
			s->expr[last].next = child;
		else
			s->expr[copy].first = child;
		last = child;
	}
	return copy;
}

uint32_t atom_get(struct sigma *s, struct atom *like)
{
	struct atom *a = NULL;

	HASH_FIND_STR(s->atoms, like->key, a);
	if (a) {
		free(like->key);
		free(like->regex);
		return a->id;
	}
	a = xmalloc(sizeof(*a));
	*a = *like;
	a->id = (uint32_t)s->natoms;
	if (s->natoms == s->atoms_cap) {
		s->atoms_cap = s->atoms_cap ? 2 * s->atoms_cap : 1024;
		s->atom = xrealloc(s->atom, s->atoms_cap * sizeof(struct atom *));
	}
	s->atom[s->natoms++] = a;
	HASH_ADD_KEYPTR(hh, s->atoms, a->key, strlen(a->key), a);
	return a->id;
}

/* ---- triggers ----------------------------------------------------------------------------- */

/* False: there is no set, the expression can be true whatever the atoms are. */
static bool triggers_of(const struct sigma *s, uint32_t e, struct list *ret)
{
	const struct expr *x = &s->expr[e];
	struct list best = { 0 };
	bool found = false;

	switch (x->op) {
	case EXPR_FALSE:
		return true; /* never true: the empty set will do */
	case EXPR_ATOM:
		if (s->atom[x->atom]->field == ROW_NONE && s->atom[x->atom]->kind != ATOM_ABSENT &&
		    s->atom[x->atom]->kind != ATOM_TIME)
			return true;
		if (s->atom[x->atom]->kind != ATOM_TEXT)
			return false;
		list_add(ret, x->atom);
		return true;
	case EXPR_OR:
		for (uint32_t c = x->first; c; c = s->expr[c].next)
			if (!triggers_of(s, c, ret))
				return false;
		return ret->n <= TRIGGERS_MAX;
	case EXPR_AND:
		for (uint32_t c = x->first; c; c = s->expr[c].next) {
			struct list one = { 0 };

			if (triggers_of(s, c, &one) && (!found || one.n < best.n)) {
				free(best.v);
				best = one;
				found = true;
			} else {
				free(one.v);
			}
		}
		for (size_t i = 0; i < best.n; i++)
			list_add(ret, best.v[i]);
		free(best.v);
		return found;
	default:
		return false;
	}
}

static void atom_add_rule(struct atom *a, uint32_t rule)
{
	struct list l = { a->rules, a->nrules };

	if (a->nrules && a->rules[a->nrules - 1] == rule)
		return;
	list_add(&l, rule);
	a->rules = l.v;
	a->nrules = l.n;
}

/* Tests that only rules for Windows make are asked only about programs of Windows. */
static void mark_systems(struct sigma *s, uint32_t e, bool others)
{
	const struct expr *x = &s->expr[e];

	if (x->op == EXPR_ATOM)
		s->atom[x->atom]->others |= others;
	else if (x->op == EXPR_NOT)
		mark_systems(s, x->first, others);
	else if (x->op == EXPR_AND || x->op == EXPR_OR)
		for (uint32_t c = x->first; c; c = s->expr[c].next)
			mark_systems(s, c, others);
}

void triggers_make(struct sigma *s)
{
	for (size_t i = 0; i < s->nrules; i++) {
		struct rule *r = s->rule[i];
		struct list t = { 0 };

		if (r->pub.fate != SIGMA_READY || r->cor)
			continue;
		mark_systems(s, r->expr, !r->pub.product || strcmp(r->pub.product, "windows"));
		if (!triggers_of(s, r->expr, &t))
			list_add(&s->always[r->pub.cat], (uint32_t)i);
		else
			for (size_t k = 0; k < t.n; k++)
				atom_add_rule(s->atom[t.v[k]], (uint32_t)i);
		free(t.v);
	}
}
