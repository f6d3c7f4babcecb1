// SPDX-License-Identifier: Apache-2.0
/*
 * crowds.c - a crowd of equals is told once
 *
 * A program that belongs to one (files are shared, calls relayed, a botnet kept together) contacts
 * each of the others when its own clock says so: addresses without a name, all after about the same
 * time, or all from one socket. That is one habit of one program, and is told by the most regular
 * of them. What has a name speaks for itself.
 */
#include "judge/crowds.h"

#define CROWD_MIN     4	  /* addresses */
#define CROWD_PERIODS 2.0 /* from half the lead's period to so many times of it */
#define CROWDS_MAX    1000

/** struct series - borrowed: what is told, and the contacts that it was made of */
struct series {
	const struct regular *v;
	size_t n;
	const struct contact_book *book;
};

static bool may_be_of_crowd(const struct regular *r, const struct contacts *of)
{
	return r->told && of->by == CONTACT_BY_ADDRESS && !r->name.n;
}

/* The most regular of those that are told alone, in *@ret; those of @done not. */
static bool find_lead(const struct series *s, const bool *done, size_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < s->n; i++)
		if (!done[i] && may_be_of_crowd(&s->v[i], contact_book_get(s->book, i)) &&
		    (!found || s->v[i].p < s->v[*ret].p)) {
			*ret = i;
			found = true;
		}
	return found;
}

/* struct crowd - series of one habit of one host, the lead first */
struct crowd {
	const struct series *s;
	const bool *done;
	size_t *of, n;
	size_t addresses; /* different ones */
	bool *in;
};

static bool one_socket(const struct series *s, size_t a, size_t b)
{
	int64_t source = contact_book_get(s->book, a)->source;

	return source && source == contact_book_get(s->book, b)->source &&
	       str_eq(s->v[a].protocol, s->v[b].protocol);
}

static bool after_the_same_time(const struct regular *a, const struct regular *b)
{
	return a->period <= CROWD_PERIODS * b->period && b->period <= CROWD_PERIODS * a->period;
}

static void join(struct crowd *cr, size_t i)
{
	const struct regular *v = cr->s->v;
	size_t k = 0;

	while (k < cr->n && !str_eq(v[cr->of[k]].destination, v[i].destination))
		k++;
	cr->addresses += k == cr->n;
	cr->of[cr->n++] = i;
	cr->in[i] = true;
}

/* Who is contacted after the same time as the lead, and who from the socket of one of them. */
static void gather(struct crowd *cr, size_t lead)
{
	const struct series *s = cr->s;

	join(cr, lead);
	for (size_t m = 0; m < cr->n; m++) {
		bool known = false;

		for (size_t k = 0; k < m && !known; k++)
			known = one_socket(s, cr->of[k], cr->of[m]);
		for (size_t i = 0; i < s->n && !known; i++)
			if (!cr->in[i] && !cr->done[i] && str_eq(s->v[i].host, s->v[lead].host) &&
			    may_be_of_crowd(&s->v[i], contact_book_get(s->book, i)) &&
			    (one_socket(s, cr->of[m], i) ||
			     (!m && after_the_same_time(&s->v[lead], &s->v[i]))))
				join(cr, i);
	}
}

void crowds_tell(struct regular *v, size_t n, const struct contact_book *book)
{
	const struct series s = { v, n, book };
	bool *done = xcalloc(n + 1, sizeof(*done));
	size_t lead = 0;

	for (int i = 0; i < CROWDS_MAX && find_lead(&s, done, &lead); i++) {
		struct crowd cr = { .s = &s, .done = done };

		cr.of = xcalloc(n + 1, sizeof(*cr.of));
		cr.in = xcalloc(n + 1, sizeof(*cr.in));
		gather(&cr, lead);
		for (size_t k = 1; k < cr.n && cr.addresses >= CROWD_MIN; k++) {
			v[lead].crowd = cr.addresses;
			v[cr.of[k]].told = false;
			v[cr.of[k]].lead = v[lead].destination;
		}
		done[lead] = true;
		free(cr.of);
		free(cr.in);
	}
	free(done);
}
