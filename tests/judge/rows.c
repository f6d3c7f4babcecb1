// SPDX-License-Identifier: Apache-2.0
/*
 * rows.c - rows that are made from events as they stream by are those of the journal's views
 */
#include "../report/common.h"

#include <sqlite3.h>

#include "judge/rows.h"

struct held {
	struct rows *rows;
	struct sqlite3 *db;
	sqlite3_stmt *view[ROW_CATS];
	unsigned compared[ROW_CATS];
};

/* The view's row of the same event; its statement stands on it. */
static sqlite3_stmt *same_event(struct held *h, const struct row *row)
{
	sqlite3_stmt **st = &h->view[row->cat];

	if (!*st) {
		char *sql =
			sqlite3_mprintf("SELECT * FROM %s WHERE seq=?1", row_cat_name(row->cat));

		assert_int_equal(sqlite3_prepare_v2(h->db, sql, -1, st, NULL), SQLITE_OK);
		sqlite3_free(sql);
	}
	sqlite3_reset(*st);
	sqlite3_bind_int64(*st, 1, (sqlite3_int64)row->seq);
	if (sqlite3_step(*st) != SQLITE_ROW)
		fail_msg("event %llu is not in %s", (unsigned long long)row->seq,
			 row_cat_name(row->cat));
	return *st;
}

static void compare(const struct row *row, int field, sqlite3_stmt *st, int column)
{
	const char *name = row_field_name(row->cat, field);
	const char *p = sqlite3_column_blob(st, column);
	size_t n = (size_t)sqlite3_column_bytes(st, column);
	struct str want = { p ? p : "", n }, got = row->v[field];
	bool is_null = sqlite3_column_type(st, column) == SQLITE_NULL;

	/* SQL says 1 and 0 where Sigma says true and false */
	if (!strcmp(name, "DestinationIsIpv6") && !is_null)
		want = sqlite3_column_int(st, column) ? STR("true") : STR("false");
	if (is_null != !got.p || (!is_null && !str_eq(want, got)))
		fail_msg("%s.%s of event %llu: '%.*s', the view says '%.*s'",
			 row_cat_name(row->cat), name, (unsigned long long)row->seq, (int)got.n,
			 got.p ? got.p : "(none)", (int)want.n, want.p);
}

static int on_event(void *ctx, const struct event *ev)
{
	struct held *h = ctx;
	struct row row;
	sqlite3_stmt *st;

	if (!rows_event(h->rows, ev, &row) || row.cat == ROW_PROXY) /* it has no view */
		return 0;
	st = same_event(h, &row);
	for (int f = 0; f < row_fields(row.cat); f++)
		for (int c = 0; c < sqlite3_column_count(st); c++)
			if (!strcmp(sqlite3_column_name(st, c), row_field_name(row.cat, f)))
				compare(&row, f, st, c);
	h->compared[row.cat]++;
	return 0;
}

static unsigned rows_in(struct sqlite3 *db, const char *view)
{
	char *sql = sqlite3_mprintf("SELECT count(*) FROM %s", view);
	sqlite3_stmt *st;
	unsigned n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = (unsigned)sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_free(sql);
	return n;
}

static void hold_against_each_other(bool hostile)
{
	struct fixture *f = fixture_story(hostile);
	struct journal_reader *r = reader_of(f);
	const struct journal_filter all = { 0 };
	struct held h = { .rows = rows_new(), .db = journal_db(r) };
	struct err err = { 0 };
	unsigned total = 0;

	assert_ok(journal_read(r, &all, on_event, &h, &err));
	for (int c = 0; c < ROW_CATS; c++) {
		if (c != ROW_PROXY)
			assert_int_equal(h.compared[c], rows_in(h.db, row_cat_name(c)));
		total += h.compared[c];
		sqlite3_finalize(h.view[c]);
	}
	assert_true(h.compared[ROW_PROCESS_CREATION] > 3);
	assert_true(h.compared[ROW_NETWORK_CONNECTION] > 1);
	assert_int_equal(h.compared[ROW_DNS_QUERY] > 0, hostile);
	assert_true(total > 20);
	rows_free(h.rows);
	journal_read_close(r);
	fixture_close(f);
}

static void test_rows_are_those_of_the_views(void **state)
{
	(void)state;
	hold_against_each_other(false);
}

static void test_with_hostile_bytes_too(void **state)
{
	(void)state;
	hold_against_each_other(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_those_of_the_views),
		cmocka_unit_test(test_with_hostile_bytes_too),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
