// SPDX-License-Identifier: Apache-2.0
/*
 * journal_codec.c - one event has one encoding, and hostile bytes have none
 */
#include "common.h"

#include "journal/spool.h"

static size_t encode(const struct event *ev, uint8_t *out)
{
	ssize_t n = event_encode(ev, out, EVENT_MAX);

	assert_true(n > 0);
	return (size_t)n;
}

static void same_event(const struct event *a, const struct event *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->t, b->t);
	assert_int_equal(a->run, b->run);
	assert_int_equal(a->proc, b->proc);
	assert_int_equal(a->kind, b->kind);
	for (int i = 0; i < event_kind_def(a->kind)->nfields; i++) {
		assert_int_equal(a->v[i].type, b->v[i].type);
		if (a->v[i].type == VAL_INT)
			assert_int_equal(a->v[i].i, b->v[i].i);
		if (a->v[i].type == VAL_TEXT)
			assert_true(str_eq(a->v[i].s, b->v[i].s));
	}
}

static void test_every_kind_with_every_value_comes_back(void **state UNUSED)
{
	static const int64_t ints[] = { 0, 1, -1, 63, 64, -64, -65, INT64_MAX, INT64_MIN };
	static const struct str texts[] = {
		{ "", 0 }, { "a\0b", 3 }, { "\xff\xfe", 2 }, { "x\ny", 3 }
	};
	cleanup_free uint8_t *bytes = xmalloc(EVENT_MAX);

	for (int k = 1; k < EVENT_KINDS; k++) {
		const struct kind_def *def = event_kind_def((enum event_kind)k);

		assert_non_null(def);
		assert_int_equal(event_kind_by_name(def->name), k);
		for (unsigned round = 0; round < 40; round++) {
			struct event ev = { .kind = (enum event_kind)k,
					    .seq = 1u + round,
					    .t = round % 2 ? INT64_MAX : round,
					    .run = UINT32_MAX,
					    .proc = round * 77777 };
			struct event back;

			for (int i = 0; i < def->nfields; i++) {
				unsigned pick = round + (unsigned)i * 3;

				if (pick % 4 == 0)
					continue;
				ev.v[i] = def->field[i].type == VAL_INT
						  ? V_INT(ints[pick % ARRAY_SIZE(ints)])
						  : V_STR(texts[pick % ARRAY_SIZE(texts)]);
			}
			assert_int_equal(event_decode(bytes, encode(&ev, bytes), &back), 0);
			same_event(&ev, &back);
		}
	}
	assert_null(event_kind_def(EV_NONE));
	assert_null(event_kind_def((enum event_kind)EVENT_KINDS));
	assert_int_equal(event_kind_by_name("no such kind"), EV_NONE);
}

static void test_known_bytes_stay_what_they_are(void **state UNUSED)
{
	/* kind 12; seq 300, t 5, run 1, proc 0; one value: TEXT of 2 bytes */
	static const uint8_t must_be[] = { 12, 0xac, 2, 5, 1, 0, 1, 2, 2, 'h', 'i' };
	struct event ev = { .kind = EV_MARK, .seq = 300, .t = 5, .run = 1 };
	uint8_t bytes[64];

	ev.v[EV_AT(MARK, NAME)] = V_Z("hi");
	assert_int_equal(event_encode(&ev, bytes, sizeof(bytes)), sizeof(must_be));
	assert_memory_equal(bytes, must_be, sizeof(must_be));
}

static void test_a_second_spelling_of_an_event_is_refused(void **state UNUSED)
{
	static const struct {
		const char *what;
		uint8_t p[16];
		size_t n;
	} bad[] = {
		{ "varint that is longer than it need be", { 12, 0x81, 0, 5, 1, 0, 0 }, 7 },
		{ "NULL at the end", { 12, 1, 5, 1, 0, 1, 0 }, 7 },
		{ "bytes behind the end", { 12, 1, 5, 1, 0, 0, 0 }, 7 },
		{ "no such kind", { 99, 1, 5, 1, 0, 0 }, 6 },
		{ "kind 0", { 0, 1, 5, 1, 0, 0 }, 6 },
		{ "more values than fields", { EV_MODULE, 1, 5, 1, 0, 3, 0, 0, 2, 0 }, 10 },
		{ "INT where TEXT belongs", { 12, 1, 5, 1, 0, 1, 1, 4 }, 8 },
		{ "TEXT longer than the bytes", { 12, 1, 5, 1, 0, 1, 2, 9, 'a' }, 9 },
		{ "run above 32 bits", { 12, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0 }, 10 },
		{ "nothing", { 0 }, 0 },
	};
	struct event ev;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (event_decode(bad[i].p, bad[i].n, &ev) != -EBADMSG)
			fail_msg("taken: %s", bad[i].what);
}

static void test_every_shorter_piece_of_an_event_is_refused(void **state UNUSED)
{
	struct event ev = file_event("create", STR("/tmp/a b\n")), back;
	uint8_t bytes[256];
	size_t n;

	ev.t = 1ull << 40;
	n = encode(&ev, bytes);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(event_decode(bytes, i, &back), -EBADMSG);
	assert_int_equal(event_decode(bytes, n, &back), 0);
}

static void test_what_is_too_long_or_of_the_wrong_type_is_not_encoded(void **state UNUSED)
{
	cleanup_free char *big = xcalloc(1, EVENT_TEXT_MAX + 1);
	cleanup_free uint8_t *out = xmalloc(EVENT_MAX);
	struct event ev = file_event("create", (struct str){ big, EVENT_TEXT_MAX + 1 });

	assert_int_equal(event_encode(&ev, out, EVENT_MAX), -EMSGSIZE);
	ev.v[EV_AT(FILE, PATH)] = V_Z("/x");
	assert_int_equal(event_encode(&ev, out, 8), -EMSGSIZE);
	ev.v[EV_AT(FILE, PATH)] = V_INT(1);
	assert_int_equal(event_encode(&ev, out, EVENT_MAX), -EINVAL);
}

static void test_a_torn_spool_record_is_told_from_a_good_one(void **state UNUSED)
{
	char top[] = "/tmp/bj-spool.XXXXXX";
	struct spool s;
	struct err err;
	int dirfd;
	bool old;

	assert_non_null(mkdtemp(top));
	dirfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(spool_open(dirfd, &s, &old, &err), 0);
	assert_false(old);
	for (int lap = 0; lap < 20000; lap++) { /* some laps around the ring */
		size_t n = 1 + (size_t)lap % 700;
		struct spool_view view;
		const uint8_t *p;
		uint8_t *at = spool_place(&s, n, 0);
		size_t got;

		assert_non_null(at);
		memset(at, lap, n);
		spool_commit(&s, n);
		spool_view(&s, &view);
		if (lap % 1000 == 0) { /* a bit that a power cut left behind */
			at[n / 2] ^= 4;
			assert_int_equal(spool_next(&view, &p, &got), SPOOL_TORN);
			at[n / 2] ^= 4;
		}
		assert_int_equal(spool_next(&view, &p, &got), SPOOL_RECORD);
		assert_int_equal(got, n);
		assert_true(p[0] == (uint8_t)lap && p[n - 1] == (uint8_t)lap);
		assert_int_equal(spool_next(&view, &p, &got), SPOOL_END);
		spool_drop(&s, view.from);
	}
	/* no record is ever placed over one that is still wanted */
	while (spool_place(&s, 50000, 0)) {
		memset(spool_place(&s, 50000, 0), 1, 50000);
		spool_commit(&s, 50000);
	}
	assert_true(spool_head(&s) - spool_tail(&s) <= SPOOL_RING);
	spool_close(&s, dirfd, true);
	assert_int_equal(faccessat(dirfd, SPOOL_NAME, F_OK, 0), -1);
	close(dirfd);
	rm_rf_at(AT_FDCWD, top);
}

static void test_the_document_names_every_table_and_field(void **state UNUSED)
{
	cleanup_free char *doc = NULL;
	char line[2048];
	size_t n = 0;

	assert_int_equal(read_file_at(AT_FDCWD, JOURNAL_DOC, 1 << 20, &doc, &n), 0);
	for (int k = 1; k < EVENT_KINDS; k++) {
		const struct kind_def *def = event_kind_def((enum event_kind)k);
		int at = snprintf(line, sizeof(line), "| %d | `%s` | ", k, def->table);

		for (int i = 0; i < def->nfields; i++)
			at += snprintf(line + at, sizeof(line) - (size_t)at, "%s`%s`",
				       i ? ", " : "", def->field[i].column);
		if (!strstr(doc, line))
			fail_msg("not in JOURNAL.md: %s", line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_with_every_value_comes_back),
		cmocka_unit_test(test_known_bytes_stay_what_they_are),
		cmocka_unit_test(test_a_second_spelling_of_an_event_is_refused),
		cmocka_unit_test(test_every_shorter_piece_of_an_event_is_refused),
		cmocka_unit_test(test_what_is_too_long_or_of_the_wrong_type_is_not_encoded),
		cmocka_unit_test(test_the_document_names_every_table_and_field),
		cmocka_unit_test(test_a_torn_spool_record_is_told_from_a_good_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
