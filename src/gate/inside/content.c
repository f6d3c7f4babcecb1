// SPDX-License-Identifier: Apache-2.0
/*
 * content.c - the first and the last 64 KiB of each direction of a flow
 *
 * The first part goes to the desk as soon as it is full, the last at the flow's end; a stream that
 * fits into the first is told as a whole. When all streams together need more memory than the pool
 * has, a stream's first part is told as short as it is (not at all when nothing was kept), and its
 * last is not kept.
 */
#include "gate/inside/content.h"

static void tell(struct content_pool *pool, uint32_t flow, enum dir dir, bool tls,
		 enum content_part part, uint64_t offset, const void *p, size_t n)
{
	struct wire_content head = { .flow = flow,
				     .dir = (uint8_t)dir,
				     .tls = tls,
				     .part = (uint8_t)part,
				     .offset = offset };

	if (n)
		pool->part(pool->ctx, &head, p, n);
}

static bool room(struct content_pool *pool, size_t n)
{
	if (pool->used + n <= pool->max) {
		pool->used += n;
		return true;
	}
	pool->short_of_memory = true;
	return false;
}

static void drop_first(struct content *c, struct content_pool *pool)
{
	free(c->first);
	pool->used -= c->first_cap;
	c->first = NULL;
	c->first_cap = 0;
	c->first_told = true;
}

/* At least one byte more, if there is memory. */
static bool grow_first(struct content *c, struct content_pool *pool, size_t n)
{
	uint32_t cap = c->first_cap ? c->first_cap : 512;

	while (cap < CONTENT_PART && cap < c->first_n + n)
		cap *= 2;
	if (cap == c->first_cap)
		return true;
	if (!room(pool, cap - c->first_cap))
		return false;
	c->first = xrealloc(c->first, cap);
	c->first_cap = cap;
	return true;
}

static void add_last(struct content *c, struct content_pool *pool, const uint8_t *p, size_t n)
{
	if (!c->last) {
		if (c->last_total == UINT64_MAX)
			return;
		if (!room(pool, CONTENT_PART)) {
			c->last_total = UINT64_MAX; /* this stream has none */
			return;
		}
		c->last = xmalloc(CONTENT_PART);
	}
	if (n > CONTENT_PART) {
		c->last_total += n - CONTENT_PART;
		p += n - CONTENT_PART;
		n = CONTENT_PART;
	}
	while (n) {
		size_t at = c->last_total % CONTENT_PART, k = CONTENT_PART - at;

		if (k > n)
			k = n;
		memcpy(c->last + at, p, k);
		c->last_total += k;
		p += k;
		n -= k;
	}
}

void content_add(struct content *c, struct content_pool *pool, uint32_t flow, enum dir dir,
		 bool tls, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t k;

	c->total += n;
	if (!c->first_told && n) {
		k = CONTENT_PART - c->first_n < n ? CONTENT_PART - c->first_n : n;
		if (grow_first(c, pool, k)) {
			memcpy(c->first + c->first_n, p, k);
			c->first_n += (uint32_t)k;
			p += k;
			n -= k;
		} else {
			c->last_total = UINT64_MAX;
		}
		if (n) {
			tell(pool, flow, dir, tls, CONTENT_FIRST, 0, c->first, c->first_n);
			drop_first(c, pool);
		}
	}
	if (n)
		add_last(c, pool, p, n);
}

void content_end(struct content *c, struct content_pool *pool, uint32_t flow, enum dir dir,
		 bool tls)
{
	if (!c->first_told && c->first_n)
		tell(pool, flow, dir, tls, CONTENT_WHOLE, 0, c->first, c->first_n);
	if (c->first)
		drop_first(c, pool);
	if (c->last) {
		size_t n = c->last_total < CONTENT_PART ? c->last_total : CONTENT_PART;
		size_t at = (c->last_total - n) % CONTENT_PART;
		uint8_t *flat = xmalloc(CONTENT_PART);

		for (size_t i = 0; i < n; i++)
			flat[i] = c->last[(at + i) % CONTENT_PART];
		tell(pool, flow, dir, tls, CONTENT_LAST, c->total - n, flat, n);
		free(flat);
		free(c->last);
		pool->used -= CONTENT_PART;
	}
	*c = (struct content){ 0 };
}
