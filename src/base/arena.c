// SPDX-License-Identifier: Apache-2.0
/*
 * arena.c - memory that is freed at once, growing arrays, and numbered strings
 *
 * The hash of numbered strings is seeded at random, so that a box cannot choose names that all
 * fall into one place. Numbers follow the order of first use: nothing that is written depends on
 * the seed.
 */
#include <sys/random.h>

#include "base/base.h"

#define CHUNK 65536

struct arena_chunk {
	struct arena_chunk *below;
	size_t n, cap;
	char p[] __attribute__((aligned(16)));
};

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->top;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (!c || c->cap - c->n < n) {
		size_t cap = n > CHUNK ? n : CHUNK;

		c = xmalloc(sizeof(*c) + cap);
		c->n = 0;
		c->cap = cap;
		c->below = a->top;
		a->top = c;
	}
	p = c->p + c->n;
	c->n += n;
	return memset(p, 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
	char *p;

	if (!s.n)
		return (struct str){ "", 0 };
	p = arena_alloc(a, s.n);
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

void arena_free(struct arena *a)
{
	while (a->top) {
		struct arena_chunk *below = a->top->below;

		free(a->top);
		a->top = below;
	}
}

void *vec_grow(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 64;
	return xrealloc(p, *cap * size);
}

static uint64_t hash(uint64_t seed, struct str s)
{
	uint64_t h = seed ^ (s.n * 0x9e3779b97f4a7c15ull), w;
	size_t i;

	for (i = 0; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	for (w = 0; i < s.n; i++)
		w = w << 8 | (unsigned char)s.p[i];
	h = (h ^ w) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 29;
}

static size_t find_slot(const struct intern *in, uint64_t h, struct str s)
{
	size_t i = h & (in->nslots - 1);

	for (;; i = (i + 1) & (in->nslots - 1)) {
		uint32_t id = in->slot[i];

		if (id == INTERN_NONE)
			return i;
		if (in->item[id].hash == h && str_eq(in->item[id].s, s))
			return i;
	}
}

static void more_slots(struct intern *in)
{
	if (!in->seed && getrandom(&in->seed, sizeof(in->seed), GRND_NONBLOCK) < 0)
		in->seed = 1;
	in->nslots = in->nslots ? in->nslots * 2 : 256;
	in->slot = xrealloc(in->slot, in->nslots * sizeof(*in->slot));
	memset(in->slot, 0xff, in->nslots * sizeof(*in->slot));
	for (size_t i = 0; i < in->n; i++)
		in->slot[find_slot(in, in->item[i].hash, in->item[i].s)] = (uint32_t)i;
}

uint32_t intern_add(struct intern *in, struct str s, bool *ret_new)
{
	size_t at;
	uint64_t h;

	if (in->n * 2 >= in->nslots)
		more_slots(in);
	h = hash(in->seed, s);
	at = find_slot(in, h, s);
	if (ret_new)
		*ret_new = false;
	if (in->slot[at] != INTERN_NONE)
		return in->slot[at];
	if (in->n >= (in->max ? in->max : INTERN_MAX))
		return INTERN_NONE;
	in->item = vec_grow(in->item, in->n, &in->cap, sizeof(*in->item));
	in->item[in->n] = (struct intern_item){ h, arena_str(in->a, s) };
	in->slot[at] = (uint32_t)in->n;
	if (ret_new)
		*ret_new = true;
	return (uint32_t)in->n++;
}

uint32_t intern_find(const struct intern *in, struct str s)
{
	return in->nslots ? in->slot[find_slot(in, hash(in->seed, s), s)] : INTERN_NONE;
}

void intern_free(struct intern *in)
{
	free(in->item);
	free(in->slot);
	in->item = NULL;
	in->slot = NULL;
	in->n = in->cap = in->nslots = 0;
}
