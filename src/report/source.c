// SPDX-License-Identifier: Apache-2.0
/*
 * source.c - the journal's events by kind
 *
 * A report needs a few columns of many rows. One statement over one table gives them in the order
 * of their numbers at the speed of SQLite's scan. What a killed writer left in its spool is in no
 * table: it is read once by journal_read() and kept (a spool is small), so that both halves give
 * the same struct event.
 */
#include <sqlite3.h>

#include "report/inner.h"

static int sql_error(struct source *s, const char *what, struct err *err)
{
	sqlite3 *db = journal_db(s->r);
	int code = sqlite3_errcode(db);

	return err_set_exit(err, EXIT_CORRUPT, code == SQLITE_NOMEM ? ENOMEM : EBADMSG,
			    "report: read %s from the journal (%s)", what, sqlite3_errmsg(db));
}

static int keep_tail(void *ctx, const struct event *ev)
{
	struct source *s = ctx;
	const struct kind_def *k = event_kind_def(ev->kind);
	struct event *copy;

	if (!k || (s->run && ev->run != s->run))
		return 0;
	s->tail = vec_grow(s->tail, s->ntail, &s->tail_cap, sizeof(*s->tail));
	copy = &s->tail[s->ntail++];
	*copy = *ev;
	for (int i = 0; i < k->nfields; i++)
		if (copy->v[i].type == VAL_TEXT)
			copy->v[i].s = arena_str(&s->a, copy->v[i].s);
	return 0;
}

/* How many fields of a kind this journal has; those of a newer belljar stay unread. */
static int known_fields(struct source *s, const struct kind_def *k, int *ret, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int n = 0;

	if (sqlite3_prepare_v2(journal_db(s->r),
			       "SELECT count(*) FROM pragma_table_info(?1, 'main')", -1, &st,
			       NULL) == SQLITE_OK &&
	    sqlite3_bind_text(st, 1, k->table, -1, SQLITE_STATIC) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int(st, 0) - 4; /* seq, t, run, proc */
	if (sqlite3_finalize(st) != SQLITE_OK)
		return sql_error(s, k->table, err);
	*ret = n < 0 ? -1 : n < k->nfields ? n : k->nfields;
	return 0;
}

static int last_stored(struct source *s, struct err *err)
{
	for (int kind = 1; kind < EVENT_KINDS; kind++) {
		const struct kind_def *k = event_kind_def(kind);
		sqlite3_stmt *st;
		char sql[128];
		int rc;

		if (!k)
			continue;
		rc = known_fields(s, k, &s->columns[kind], err);
		if (rc)
			return rc;
		if (s->columns[kind] < 0)
			continue; /* a table that came later */
		snprintf(sql, sizeof(sql), "SELECT max(seq) FROM main.\"%s\"", k->table);
		if (sqlite3_prepare_v2(journal_db(s->r), sql, -1, &st, NULL) != SQLITE_OK)
			return sql_error(s, k->table, err);
		if (sqlite3_step(st) == SQLITE_ROW &&
		    (uint64_t)sqlite3_column_int64(st, 0) > s->stored)
			s->stored = (uint64_t)sqlite3_column_int64(st, 0);
		if (sqlite3_finalize(st) != SQLITE_OK)
			return sql_error(s, k->table, err);
	}
	return 0;
}

int source_open(struct source *s, struct journal_reader *r, uint32_t run, struct err *err)
{
	struct journal_filter after = { 0 };
	int rc;

	*s = (struct source){ .r = r, .run = run };
	/* a locked process can open no file to sort in */
	sqlite3_exec(journal_db(r), "PRAGMA temp_store = memory", NULL, NULL, NULL);
	rc = last_stored(s, err);
	if (rc)
		return rc;
	after.seq_from = s->stored + 1;
	return journal_read(r, &after, keep_tail, s, err);
}

void source_close(struct source *s)
{
	for (int kind = 0; kind < EVENT_KINDS; kind++)
		sqlite3_finalize(s->fetch[kind]);
	free(s->tail);
	arena_free(&s->a);
	*s = (struct source){ 0 };
}

static void column(sqlite3_stmt *st, int at, struct val *ret)
{
	switch (sqlite3_column_type(st, at)) {
	case SQLITE_NULL:
		*ret = (struct val){ 0 };
		return;
	case SQLITE_INTEGER:
		*ret = V_INT(sqlite3_column_int64(st, at));
		return;
	default:
		/* blob first, then its length: the order that converts nothing */
		ret->type = VAL_TEXT;
		ret->s.p = sqlite3_column_blob(st, at);
		ret->s.n = (size_t)sqlite3_column_bytes(st, at);
		if (!ret->s.p)
			ret->s = (struct str){ "", 0 };
	}
}

/* Columns seq, t, run, proc, then the fields of the mask in order. */
static void row(sqlite3_stmt *st, int columns, uint32_t fields, struct event *ev)
{
	int at = 4;

	ev->seq = (uint64_t)sqlite3_column_int64(st, 0);
	ev->t = (uint64_t)sqlite3_column_int64(st, 1);
	ev->run = (uint32_t)sqlite3_column_int64(st, 2);
	ev->proc = (uint32_t)sqlite3_column_int64(st, 3);
	for (int i = 0; i < columns; i++)
		if (fields & 1u << i)
			column(st, at++, &ev->v[i]);
}

static void select_fields(struct buf *sql, const struct kind_def *k, int columns, uint32_t fields)
{
	buf_puts(sql, "SELECT seq, t, run, proc");
	for (int i = 0; i < columns; i++)
		if (fields & 1u << i)
			buf_printf(sql, ", \"%s\"", k->field[i].column);
	buf_printf(sql, " FROM main.\"%s\"", k->table);
}

static int scan_table(struct source *s, const struct kind_def *k, uint32_t fields, struct event *ev,
		      source_fn *fn, void *ctx, struct err *err)
{
	cleanup_buf struct buf sql = { 0 };
	int columns = s->columns[ev->kind], rc;
	sqlite3_stmt *st;

	select_fields(&sql, k, columns, fields);
	if (s->run)
		buf_printf(&sql, " WHERE run = %u", s->run);
	buf_puts(&sql, " ORDER BY seq");
	if (sqlite3_prepare_v2(journal_db(s->r), buf_z(&sql), -1, &st, NULL) != SQLITE_OK)
		return sql_error(s, k->table, err);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		row(st, columns, fields, ev);
		fn(ctx, ev);
	}
	if (sqlite3_finalize(st) != SQLITE_OK || rc != SQLITE_DONE)
		return sql_error(s, k->table, err);
	return 0;
}

int source_scan(struct source *s, enum event_kind kind, uint32_t fields, source_fn *fn, void *ctx,
		struct err *err)
{
	const struct kind_def *k = event_kind_def(kind);
	struct event ev = { .kind = kind };
	int rc = s->columns[kind] < 0 ? 0 : scan_table(s, k, fields, &ev, fn, ctx, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < s->ntail; i++)
		if (s->tail[i].kind == kind)
			fn(ctx, &s->tail[i]);
	return 0;
}

enum event_kind source_kind(struct source *s, uint64_t seq)
{
	struct event ev;

	for (int k = 1; k < EVENT_KINDS; k++)
		if (event_kind_def((enum event_kind)k) &&
		    !source_fetch(s, (enum event_kind)k, seq, &ev, NULL))
			return (enum event_kind)k;
	return EV_NONE;
}

int source_count(struct source *s, enum event_kind kind, uint64_t *ret_n, struct err *err)
{
	const struct kind_def *k = event_kind_def(kind);
	char sql[160], where[32] = "";
	sqlite3_stmt *st;
	uint64_t n = 0;

	if (s->run)
		snprintf(where, sizeof(where), " WHERE run = %u", s->run);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM main.\"%s\"%s", k->table, where);
	if (s->columns[kind] >= 0) {
		if (sqlite3_prepare_v2(journal_db(s->r), sql, -1, &st, NULL) != SQLITE_OK)
			return sql_error(s, k->table, err);
		if (sqlite3_step(st) == SQLITE_ROW)
			n = (uint64_t)sqlite3_column_int64(st, 0);
		if (sqlite3_finalize(st) != SQLITE_OK)
			return sql_error(s, k->table, err);
	}
	for (size_t i = 0; i < s->ntail; i++)
		n += s->tail[i].kind == kind;
	*ret_n = n;
	return 0;
}

int source_fetch(struct source *s, enum event_kind kind, uint64_t seq, struct event *ret,
		 struct err *err)
{
	const struct kind_def *k = event_kind_def(kind);
	sqlite3_stmt *st = s->fetch[kind];
	int rc;

	for (size_t i = 0; i < s->ntail; i++) {
		if (s->tail[i].seq == seq) {
			*ret = s->tail[i];
			return 0;
		}
	}
	if (s->columns[kind] < 0)
		return -ENOENT;
	if (!st) {
		cleanup_buf struct buf sql = { 0 };

		select_fields(&sql, k, s->columns[kind], FIELDS_ALL);
		buf_puts(&sql, " WHERE seq = ?1");
		if (sqlite3_prepare_v2(journal_db(s->r), buf_z(&sql), -1, &st, NULL) != SQLITE_OK)
			return sql_error(s, k->table, err);
		s->fetch[kind] = st;
	}
	sqlite3_reset(st);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		return -ENOENT;
	if (rc != SQLITE_ROW)
		return sql_error(s, k->table, err);
	*ret = (struct event){ .kind = kind };
	row(st, s->columns[kind], FIELDS_ALL, ret);
	return 0;
}
