// SPDX-License-Identifier: Apache-2.0
/*
 * report_events.c - the record as lines of text and JSON, and questions in SQL
 */
#include "common.h"

static size_t count_lines(const struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->p[i] == '\n';
	return n;
}

static void test_text_has_one_harmless_line_an_event(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);
	cleanup_buf struct buf out = { 0 };

	events_of(f, (struct journal_filter){ 0 }, false, &out);
	assert_no_raw_bytes(&out);
	assert_int_equal(count_lines(&out), sql_number(f, "SELECT count(*) FROM events"));
	assert_non_null(strstr(buf_z(&out), "svm(13)"));
	assert_non_null(strstr(buf_z(&out), "creates /tmp/line\\x0abreak"));
	assert_non_null(strstr(buf_z(&out), "/tmp/bidi\\u{202e}gpj.exe"));
	fixture_close(f);
}

static void check_event(json_t *v, json_int_t seq)
{
	const char *kind = json_string_value(json_object_get(v, "kind"));
	const struct kind_def *k = event_kind_def(event_kind_by_name(kind));
	const char *key;
	json_t *field;

	assert_int_equal(json_integer_value(json_object_get(v, "v")), 1);
	assert_int_equal(json_integer_value(json_object_get(v, "seq")), seq);
	assert_non_null(k);
	assert_string_equal(json_string_value(json_object_get(v, "kind")), k->name);
	assert_true(json_is_integer(json_object_get(v, "t")));
	assert_true(json_is_integer(json_object_get(v, "run")));
	assert_true(json_is_integer(json_object_get(v, "proc")));
	assert_int_equal(strncmp(json_string_value(json_object_get(v, "time")), "2026-11-23T", 11),
			 0);
	json_object_foreach(v, key, field)
	{
		bool known = false;

		assert_false(json_is_null(field));
		for (int i = 0; i < k->nfields; i++)
			known |= !strcmp(key, k->field[i].column);
		for (size_t i = 0; i < 7; i++)
			known |= !strcmp(key, (const char *[]){ "v", "seq", "kind", "run", "t",
								"time", "proc" }[i]);
		assert_true(known);
	}
}

static void test_json_has_one_object_a_line_with_the_columns(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);
	cleanup_buf struct buf out = { 0 };
	json_int_t seq = 0;
	char *line, *end;

	events_of(f, (struct journal_filter){ 0 }, true, &out);
	assert_no_raw_bytes(&out);
	for (line = buf_z(&out); (end = strchr(line, '\n')); line = end + 1) {
		json_t *v = parse_json(line, (size_t)(end - line));

		check_event(v, ++seq);
		json_decref(v);
	}
	assert_int_equal(seq, sql_number(f, "SELECT count(*) FROM events"));
	/* stray bytes as private characters, and the bytes of valid names as they are */
	assert_non_null(
		strstr(buf_z(&out),
		       "\"path\":\"/tmp/bad\\udbff\\udeff\\udbff\\udefe\\udbff\\udec0utf8\""));
	assert_non_null(strstr(buf_z(&out), "\"path\":\"/tmp/\\u003c/script\\u003e"));
	fixture_close(f);
}

static void test_filters_let_through_what_they_say(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	const struct {
		struct journal_filter filter;
		const char *sql;
	} cases[] = {
		{ { .kinds = 1u << EV_SOCKET }, "SELECT count(*) FROM socket" },
		{ { .kinds = 1u << EV_SOCKET | 1u << EV_FILE, .proc = 3 },
		  "SELECT (SELECT count(*) FROM socket WHERE proc=3)+"
		  "(SELECT count(*) FROM file WHERE proc=3)" },
		{ { .seq_from = 10, .seq_to = 19 }, "SELECT 10" },
		{ { .t_from = 1000000000, .t_to = 1100000000 },
		  "SELECT count(*) FROM events WHERE t BETWEEN 1000000000 AND 1100000000" },
		{ { .run = 2 }, "SELECT 0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_buf struct buf out = { 0 };

		events_of(f, cases[i].filter, true, &out);
		assert_int_equal(count_lines(&out), sql_number(f, cases[i].sql));
	}
	fixture_close(f);
}

static void test_a_fork_has_its_parents_image_until_it_runs_another(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	cleanup_buf struct buf out = { 0 };

	events_of(f, (struct journal_filter){ .proc = 3, .kinds = 1u << EV_PROCESS }, false, &out);
	assert_non_null(strstr(buf_z(&out), "setup.run(13)      is born, child of setup.run(11)"));
	assert_non_null(strstr(buf_z(&out), "svm(13)            starts /opt/tax/svm"));
	fixture_close(f);
}

static void test_one_event_alone_is_one_line_too(void **state UNUSED)
{
	struct event ev = { .seq = 7, .t = 1500000000, .run = 1, .proc = 4, .kind = EV_FILE };
	cleanup_buf struct buf out = { 0 };

	ev.v[EV_AT(FILE, OP)] = V_Z("rename");
	ev.v[EV_AT(FILE, PATH)] = V_Z("/a\nb");
	ev.v[EV_AT(FILE, PATH2)] = V_Z("/c");
	report_event_text(&out, &ev, false);
	assert_string_equal(buf_z(&out), "     7  run 1 1.500     process 4          renames "
					 "/a\\x0ab to /c\n");
	out.n = 0;
	report_event_json(&out, &ev);
	assert_string_equal(
		buf_z(&out),
		"{\"v\":1,\"seq\":7,\"kind\":\"file\",\"run\":1,\"t\":1500000000,"
		"\"proc\":4,\"op\":\"rename\",\"path\":\"/a\\u000ab\",\"path2\":\"/c\"}\n");
}

static void test_no_unknown_kind_or_empty_event_breaks_the_words(void **state UNUSED)
{
	for (int kind = -1; kind < EVENT_KINDS + 2; kind++) {
		struct event ev = { .seq = 1, .kind = (enum event_kind)kind };
		cleanup_buf struct buf out = { 0 };

		report_event_text(&out, &ev, false);
		assert_int_equal(count_lines(&out), 1);
		out.n = 0;
		report_event_json(&out, &ev);
		json_decref(parse_json(out.p, out.n));
	}
}

/* ---- SQL ---------------------------------------------------------------------------------- */

static void test_only_one_reading_select_is_run(void **state UNUSED)
{
	static const struct {
		const char *sql;
		bool allowed;
	} cases[] = {
		{ "SELECT 1", true },
		{ "SELECT count(*) FROM file;  ", true },
		{ "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<9) "
		  "SELECT max(i) FROM n",
		  true },
		{ "SELECT path FROM file ORDER BY path DESC", true },
		{ "VALUES (1),(2)", true },
		{ "SELECT * FROM process_creation", true },
		{ "SELECT json_object('a', 1)", true },
		{ "", false },
		{ "  ;", false },
		{ "nonsense", false },
		{ "SELECT * FROM no_such_table", false },
		{ "SELECT 1; SELECT 2", false },
		{ "DELETE FROM file", false },
		{ "UPDATE file SET path = ''", false },
		{ "INSERT INTO mark(seq) VALUES (1)", false },
		{ "DROP TABLE file", false },
		{ "CREATE TEMP TABLE x(a)", false },
		{ "CREATE VIEW x AS SELECT 1", false },
		{ "ATTACH '/tmp/other.db' AS o", false },
		{ "VACUUM INTO '/tmp/copy.db'", false },
		{ "PRAGMA query_only = 0", false },
		{ "PRAGMA journal_mode", false },
		{ "SELECT * FROM pragma_database_list", false },
		{ "SELECT load_extension('/tmp/x.so')", false },
		{ "BEGIN", false },
		{ "COMMIT", false },
		{ "REINDEX", false },
		{ "ANALYZE", false },
		{ "EXPLAIN SELECT 1", false },
	};
	struct fixture *f = fixture_story(false);
	json_int_t before = sql_number(f, "SELECT count(*) FROM file");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_buf struct buf out = { 0 };
		struct err err = { 0 };
		int rc = sql_of(f, cases[i].sql, i & 1, &out, &err);

		if (!rc != cases[i].allowed)
			fail_msg("%s: %d %s", cases[i].sql, rc, err.msg);
		if (!cases[i].allowed) {
			assert_int_equal(rc, -EINVAL);
			assert_int_equal(err.exit, EXIT_USAGE);
			assert_int_equal(out.n, 0);
		}
	}
	assert_int_equal(sql_number(f, "SELECT count(*) FROM file"), before);
	assert_int_equal(access("/tmp/copy.db", F_OK), -1);
	fixture_close(f);
}

static void test_rows_are_aligned_text_or_json_objects(void **state UNUSED)
{
	struct fixture *f = fixture_story(true);
	cleanup_buf struct buf out = { 0 };
	struct err err = { 0 };
	char *line, *end;
	size_t n = 0;

	assert_ok(sql_of(f, "SELECT 'ab' AS x, 1 AS long_name UNION ALL SELECT 'abcd', NULL", false,
			 &out, &err));
	assert_string_equal(buf_z(&out), "x     long_name\nab    1\nabcd  \n");
	out.n = 0;
	assert_ok(sql_of(f, "SELECT 1 AS a, 2 AS a, 1.5 AS b, NULL AS c, 9e999 AS d, x'ff' AS e",
			 true, &out, &err));
	assert_string_equal(buf_z(&out), "{\"a\":1,\"a:2\":2,\"b\":1.5,\"c\":null,\"d\":null,"
					 "\"e\":\"\\udbff\\udeff\"}\n");
	out.n = 0;
	assert_ok(sql_of(f, "SELECT seq, path, path2 FROM file", false, &out, &err));
	assert_no_raw_bytes(&out);
	assert_int_equal(count_lines(&out), 1 + sql_number(f, "SELECT count(*) FROM file"));
	out.n = 0;
	assert_ok(sql_of(f, "SELECT * FROM file", true, &out, &err));
	assert_no_raw_bytes(&out);
	for (line = buf_z(&out); (end = strchr(line, '\n')); line = end + 1, n++)
		json_decref(parse_json(line, (size_t)(end - line)));
	assert_int_equal(n, sql_number(f, "SELECT count(*) FROM file"));
	fixture_close(f);
}

static void test_rows_beyond_the_layout_are_written_too(void **state UNUSED)
{
	struct fixture *f = fixture_story(false);
	cleanup_buf struct buf out = { 0 };
	struct err err = { 0 };

	assert_ok(sql_of(f,
			 "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE "
			 "i<1000) SELECT i, i*i AS square FROM n",
			 false, &out, &err));
	assert_int_equal(count_lines(&out), 1001);
	assert_non_null(strstr(buf_z(&out), "\n200  40000\n201  40401\n"));
	assert_non_null(strstr(buf_z(&out), "\n1000 1000000\n"));
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_has_one_harmless_line_an_event),
		cmocka_unit_test(test_json_has_one_object_a_line_with_the_columns),
		cmocka_unit_test(test_filters_let_through_what_they_say),
		cmocka_unit_test(test_a_fork_has_its_parents_image_until_it_runs_another),
		cmocka_unit_test(test_one_event_alone_is_one_line_too),
		cmocka_unit_test(test_no_unknown_kind_or_empty_event_breaks_the_words),
		cmocka_unit_test(test_only_one_reading_select_is_run),
		cmocka_unit_test(test_rows_are_aligned_text_or_json_objects),
		cmocka_unit_test(test_rows_beyond_the_layout_are_written_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
