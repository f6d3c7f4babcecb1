// SPDX-License-Identifier: Apache-2.0
/*
 * gate_content.c - of each direction of a stream the first and the last 64 KiB are kept: the right
 * bytes, at the right offset, under their hash, whatever pieces the stream comes in
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/** struct told - a part as the pool got it, with a copy of its bytes */
struct told {
	uint32_t flow;
	uint8_t dir, tls, part;
	uint64_t offset;
	uint8_t *p;
	size_t n;
};

#define TOLD_MAX 2048

struct bed {
	struct told told[TOLD_MAX];
	size_t n;
};

#include "gate/inside/content.c"

static void part(void *ctx, const struct wire_content *head, const void *p, size_t n)
{
	struct bed *b = ctx;
	struct told *t = &b->told[b->n++];

	assert_true(b->n <= TOLD_MAX);
	/* what the desk refuses ends the box: an honest gate never says it */
	assert_true(n > 0 && n <= CONTENT_PART);
	assert_int_equal(head->zero, 0);
	*t = (struct told){ head->flow,	  head->dir,  head->tls, head->part,
			    head->offset, xmalloc(n), n };
	memcpy(t->p, p, n);
}

static void bed_clear(struct bed *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->told[i].p);
	b->n = 0;
}

/* Bytes of a stream, which tell their offset. */
static void fill(uint8_t *p, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((at + i) * 2654435761u >> 13);
}

static void stream(struct content *c, struct content_pool *pool, uint64_t total, size_t piece)
{
	uint8_t *p = xmalloc(piece);

	for (uint64_t at = 0; at < total;) {
		size_t n = total - at < piece ? (size_t)(total - at) : piece;

		fill(p, at, n);
		content_add(c, pool, 7, DIR_IN, true, p, n);
		at += n;
	}
	free(p);
}

/* The part holds what the stream has at its offset, under the same hash. */
static void holds(const struct told *t, enum content_part which, uint64_t offset, size_t n)
{
	uint8_t kept[SHA256_LEN], stream_has[SHA256_LEN];
	uint8_t *want = xmalloc(n);

	assert_int_equal(t->flow, 7);
	assert_int_equal(t->dir, DIR_IN);
	assert_int_equal(t->tls, 1);
	assert_int_equal(t->part, which);
	assert_int_equal(t->offset, offset);
	assert_int_equal(t->n, n);
	fill(want, offset, n);
	sha256_once(t->p, t->n, kept);
	sha256_once(want, n, stream_has);
	assert_memory_equal(kept, stream_has, sizeof(kept));
	free(want);
}

static void parts_are_right(uint64_t total, size_t piece)
{
	struct bed b = { 0 };
	struct content_pool pool = { .max = 1u << 20, .ctx = &b, .part = part };
	struct content c = { 0 };

	stream(&c, &pool, total, piece);
	assert_int_equal(c.total, total);
	/* the first part does not wait for the stream's end */
	assert_int_equal(b.n, total > CONTENT_PART);
	content_end(&c, &pool, 7, DIR_IN, true);
	if (!total) {
		assert_int_equal(b.n, 0);
	} else if (total <= CONTENT_PART) {
		assert_int_equal(b.n, 1);
		holds(&b.told[0], CONTENT_WHOLE, 0, (size_t)total);
	} else {
		uint64_t left = total - CONTENT_PART;
		size_t n = left < CONTENT_PART ? (size_t)left : CONTENT_PART;

		assert_int_equal(b.n, 2);
		holds(&b.told[0], CONTENT_FIRST, 0, CONTENT_PART);
		holds(&b.told[1], CONTENT_LAST, total - n, n);
	}
	assert_int_equal(pool.used, 0);
	assert_false(pool.short_of_memory);
	bed_clear(&b);
}

static void test_ends_of_streams_of_every_length_in_every_piece(void **state UNUSED)
{
	static const uint64_t totals[] = { 0,
					   1,
					   511,
					   512,
					   513,
					   CONTENT_PART - 1,
					   CONTENT_PART,
					   CONTENT_PART + 1,
					   2 * CONTENT_PART - 1,
					   2 * CONTENT_PART,
					   2 * CONTENT_PART + 1,
					   3 * CONTENT_PART + 12345,
					   10 * CONTENT_PART };
	static const size_t pieces[] = { 97,
					 1448,
					 CONTENT_PART - 1,
					 CONTENT_PART,
					 CONTENT_PART + 1,
					 3 * CONTENT_PART,
					 20 * CONTENT_PART };

	for (size_t i = 0; i < ARRAY_SIZE(totals); i++)
		for (size_t k = 0; k < ARRAY_SIZE(pieces); k++)
			parts_are_right(totals[i], pieces[k]);
}

static void test_both_ways_of_a_flow_are_apart(void **state UNUSED)
{
	struct bed b = { 0 };
	struct content_pool pool = { .max = 1u << 20, .ctx = &b, .part = part };
	struct content c[2] = { 0 };

	content_add(&c[DIR_OUT], &pool, 3, DIR_OUT, false, "ask", 3);
	content_add(&c[DIR_IN], &pool, 3, DIR_IN, false, "answer", 6);
	content_add(&c[DIR_OUT], &pool, 3, DIR_OUT, false, "ed", 2);
	for (int dir = 0; dir < 2; dir++)
		content_end(&c[dir], &pool, 3, (enum dir)dir, false);
	assert_int_equal(b.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const char *want = b.told[i].dir == DIR_OUT ? "asked" : "answer";

		assert_int_equal(b.told[i].tls, 0);
		assert_int_equal(b.told[i].n, strlen(want));
		assert_memory_equal(b.told[i].p, want, b.told[i].n);
	}
	assert_int_not_equal(b.told[0].dir, b.told[1].dir);
	bed_clear(&b);
}

static void test_without_memory_the_first_part_is_short_and_there_is_no_last(void **state UNUSED)
{
	struct bed b = { 0 };
	struct content_pool pool = { .max = 2048, .ctx = &b, .part = part };
	struct content c = { 0 };

	stream(&c, &pool, 5000, 100);
	content_end(&c, &pool, 7, DIR_IN, true);
	assert_int_equal(b.n, 1);
	holds(&b.told[0], CONTENT_FIRST, 0, 2000); /* one piece more needs 4096 */
	assert_true(pool.short_of_memory);
	assert_int_equal(pool.used, 0);
	bed_clear(&b);
}

static void test_a_stream_that_finds_no_memory_at_all_tells_nothing(void **state UNUSED)
{
	struct bed b = { 0 };
	struct content_pool pool = { .max = 600, .ctx = &b, .part = part };
	struct content first = { 0 }, c = { 0 };

	content_add(&first, &pool, 1, DIR_OUT, false, "x", 1);
	stream(&c, &pool, 3 * CONTENT_PART, 1448);
	content_end(&c, &pool, 7, DIR_IN, true);
	assert_int_equal(b.n, 0);
	assert_true(pool.short_of_memory);
	content_end(&first, &pool, 1, DIR_OUT, false);
	assert_int_equal(b.n, 1);
	assert_int_equal(pool.used, 0);
	bed_clear(&b);
}

static void test_a_thousand_streams_stay_within_the_pool(void **state UNUSED)
{
	static struct content c[1000];
	struct bed *b = xcalloc(1, sizeof(*b));
	struct content_pool pool = { .max = 4u << 20, .ctx = b, .part = part };
	size_t whole = 0, wholes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		stream(&c[i], &pool, i % 3 ? 2 * CONTENT_PART : 900, 4000);
		assert_true(pool.used <= pool.max);
	}
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		whole = b->n;
		content_end(&c[i], &pool, 7, DIR_IN, true);
		for (; whole < b->n; whole++)
			wholes += b->told[whole].part == CONTENT_WHOLE;
	}
	assert_true(pool.short_of_memory && wholes > 0);
	assert_int_equal(pool.used, 0);
	for (size_t i = 0; i < b->n; i++)
		holds(&b->told[i], b->told[i].part, b->told[i].offset, b->told[i].n);
	bed_clear(b);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_of_streams_of_every_length_in_every_piece),
		cmocka_unit_test(test_both_ways_of_a_flow_are_apart),
		cmocka_unit_test(test_without_memory_the_first_part_is_short_and_there_is_no_last),
		cmocka_unit_test(test_a_stream_that_finds_no_memory_at_all_tells_nothing),
		cmocka_unit_test(test_a_thousand_streams_stay_within_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
