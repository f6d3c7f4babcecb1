// SPDX-License-Identifier: Apache-2.0
/*
 * sql.c - one question of the user's own to the journal
 *
 * The handle is read-only, and on top of that an authorizer lets through what a SELECT needs and
 * nothing else: no other file, no setting, no function that reaches outside. A progress handler
 * ends what takes too long, and the number of rows is limited, because a cross join of two large
 * tables is one line to type.
 */
#include <math.h>
#include <sqlite3.h>

#include "report/inner.h"

#define SQL_SECONDS_MAX	 60	     /* one query may compute this long */
#define SQL_ROWS_MAX	 5000000     /* and give this many rows */
#define SQL_CELL_MAX	 (64u << 20) /* bytes of one value */
#define SQL_LAYOUT_ROWS	 200	     /* rows that decide about the widths of columns */
#define SQL_WIDTH_MAX	 60
#define SQL_COLUMNS_MAX	 200
#define SQL_FLUSH_AT	 65536
#define SQL_OPS_PER_LOOK 10000

struct query {
	sqlite3_stmt *st;
	struct buf out;
	uint64_t deadline;
	uint64_t rows;
	int fd, ncols;
	bool json, late;
	char *key[SQL_COLUMNS_MAX]; /* JSON keys, different from each other, escaped */
	/* text: the first rows wait here until widths are known */
	struct arena arena;
	struct str *held;
	size_t nheld;
	size_t width[SQL_COLUMNS_MAX];
};

static int allow(void *ctx UNUSED, int action, const char *a UNUSED, const char *b,
		 const char *db UNUSED, const char *trigger UNUSED)
{
	/* functions that load code or hand out pointers */
	static const char *const forbidden[] = { "load_extension", "fts3_tokenizer" };

	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
			if (b && !sqlite3_stricmp(b, forbidden[i]))
				return SQLITE_DENY;
		return SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

static int too_late(void *ctx)
{
	struct query *q = ctx;

	q->late = clock_mono_ns() > q->deadline;
	return q->late;
}

static bool only_blanks(const char *sql)
{
	return sql[strspn(sql, " \t\r\n\f;")] == 0;
}

static int prepare(struct query *q, sqlite3 *db, const char *sql, struct err *err)
{
	const char *rest = "";
	int rc = sqlite3_prepare_v2(db, sql, -1, &q->st, &rest);

	if (rc == SQLITE_AUTH)
		return err_set_exit(err, EXIT_USAGE, EINVAL,
				    "report: only a SELECT that reads the journal may be run (%s)",
				    sqlite3_errmsg(db));
	if (rc != SQLITE_OK)
		return err_set_exit(err, EXIT_USAGE, EINVAL, "report: understand the query: %s",
				    sqlite3_errmsg(db));
	if (!q->st)
		return err_set_exit(err, EXIT_USAGE, EINVAL, "report: the query is empty");
	if (!only_blanks(rest))
		return err_set_exit(err, EXIT_USAGE, EINVAL,
				    "report: only one SELECT at a time may be run");
	if (!sqlite3_stmt_readonly(q->st) || sqlite3_stmt_isexplain(q->st))
		return err_set_exit(err, EXIT_USAGE, EINVAL,
				    "report: only a SELECT that reads the journal may be run");
	q->ncols = sqlite3_column_count(q->st);
	if (q->ncols > SQL_COLUMNS_MAX)
		return err_set_exit(err, EXIT_USAGE, EINVAL,
				    "report: the query has %d columns, more than %d", q->ncols,
				    SQL_COLUMNS_MAX);
	return 0;
}

/* A JSON object's keys must differ: a second `seq` becomes `seq:2`. */
static void name_columns(struct query *q)
{
	for (int i = 0; i < q->ncols; i++) {
		cleanup_buf struct buf key = { 0 };
		const char *name = sqlite3_column_name(q->st, i);
		int same = 1;

		for (int k = 0; k < i; k++)
			same += !strcmp(sqlite3_column_name(q->st, k) ?: "", name ?: "");
		buf_puts(&key, name ?: "");
		if (same > 1)
			buf_printf(&key, ":%d", same);
		cleanup_buf struct buf quoted = { 0 };

		escape_json(&quoted, (struct str){ buf_z(&key), key.n });
		q->key[i] = xstrdup(buf_z(&quoted));
	}
}

static struct str cell(struct query *q, int i)
{
	const char *p = sqlite3_column_blob(q->st, i);
	int n = sqlite3_column_bytes(q->st, i);

	return p ? (struct str){ p, (size_t)n } : (struct str){ "", 0 };
}

static void json_row(struct query *q)
{
	buf_puts(&q->out, "{");
	for (int i = 0; i < q->ncols; i++) {
		double d;

		buf_printf(&q->out, "%s%s:", i ? "," : "", q->key[i]);
		switch (sqlite3_column_type(q->st, i)) {
		case SQLITE_NULL:
			buf_puts(&q->out, "null");
			break;
		case SQLITE_INTEGER:
			buf_printf(&q->out, "%lld", (long long)sqlite3_column_int64(q->st, i));
			break;
		case SQLITE_FLOAT:
			d = sqlite3_column_double(q->st, i);
			if (isfinite(d))
				buf_printf(&q->out, "%.17g", d);
			else
				buf_puts(&q->out, "null");
			break;
		default:
			escape_json(&q->out, cell(q, i));
		}
	}
	buf_puts(&q->out, "}\n");
}

static void text_cell(struct query *q, int i, struct str s)
{
	size_t from = q->out.n, w = 0;

	escape_text(&q->out, s);
	if (i + 1 == q->ncols)
		return;
	for (size_t k = from; k < q->out.n; k++)
		w += ((unsigned char)q->out.p[k] & 0xc0) != 0x80;
	do {
		buf_puts(&q->out, " ");
	} while (++w < q->width[i] + 2);
}

static void hold_row(struct query *q)
{
	for (int i = 0; i < q->ncols; i++) {
		struct str s = arena_str(&q->arena, cell(q, i));
		cleanup_buf struct buf shown = { 0 };
		size_t w = 0;

		escape_text(&shown, clip(s, SQL_WIDTH_MAX));
		for (size_t k = 0; k < shown.n; k++)
			w += ((unsigned char)shown.p[k] & 0xc0) != 0x80;
		if (w > SQL_WIDTH_MAX)
			w = SQL_WIDTH_MAX;
		if (w > q->width[i])
			q->width[i] = w;
		q->held[q->nheld++] = s;
	}
}

static void text_header(struct query *q)
{
	for (int i = 0; i < q->ncols; i++)
		text_cell(q, i, str_z(sqlite3_column_name(q->st, i)));
	buf_puts(&q->out, "\n");
	for (size_t k = 0; k < q->nheld; k++) {
		int i = (int)(k % (size_t)q->ncols);

		text_cell(q, i, q->held[k]);
		if (i + 1 == q->ncols)
			buf_puts(&q->out, "\n");
	}
	free(q->held);
	q->held = NULL;
}

static void text_row(struct query *q)
{
	if (q->rows <= SQL_LAYOUT_ROWS) {
		hold_row(q);
		return;
	}
	if (q->held)
		text_header(q);
	for (int i = 0; i < q->ncols; i++)
		text_cell(q, i, cell(q, i));
	buf_puts(&q->out, "\n");
}

static int flush(struct query *q, struct err *err)
{
	int rc = q->out.n ? write_full(q->fd, q->out.p, q->out.n) : 0;

	q->out.n = 0;
	return rc ? cannot_write(err, rc, "the rows") : 0;
}

static int rows(struct query *q, sqlite3 *db, struct err *err)
{
	int rc;

	while ((rc = sqlite3_step(q->st)) == SQLITE_ROW) {
		if (++q->rows > SQL_ROWS_MAX)
			return err_set_exit(err, EXIT_USAGE, E2BIG,
					    "report: the query gives more than %d rows",
					    SQL_ROWS_MAX);
		if (q->json)
			json_row(q);
		else
			text_row(q);
		if (q->out.n >= SQL_FLUSH_AT && (rc = flush(q, err)))
			return rc;
	}
	if (rc == SQLITE_INTERRUPT && q->late)
		return err_set_exit(err, EXIT_USAGE, ETIMEDOUT,
				    "report: the query takes longer than %d seconds",
				    SQL_SECONDS_MAX);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG, "report: read the journal (%s)",
				    sqlite3_errmsg(db));
	if (rc != SQLITE_DONE)
		return err_set_exit(err, EXIT_USAGE, EINVAL, "report: run the query: %s",
				    sqlite3_errmsg(db));
	if (q->held)
		text_header(q);
	return flush(q, err);
}

int report_sql(struct journal_reader *r, const char *sql, bool json, int fd, struct err *err)
{
	sqlite3 *db = journal_db(r);
	struct query q = { .fd = fd, .json = json };
	int rc, cell_max;

	cell_max = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, SQL_CELL_MAX);
	sqlite3_set_authorizer(db, allow, NULL);
	rc = prepare(&q, db, sql, err);
	if (!rc) {
		if (json) {
			name_columns(&q);
		} else {
			q.held = xcalloc(SQL_LAYOUT_ROWS * (size_t)q.ncols, sizeof(*q.held));
			for (int i = 0; i < q.ncols; i++)
				q.width[i] = strlen(sqlite3_column_name(q.st, i) ?: "");
		}
		q.deadline = clock_mono_ns() + SQL_SECONDS_MAX * NSEC_PER_SEC;
		sqlite3_progress_handler(db, SQL_OPS_PER_LOOK, too_late, &q);
		rc = rows(&q, db, err);
		sqlite3_progress_handler(db, 0, NULL, NULL);
	}
	sqlite3_finalize(q.st);
	sqlite3_set_authorizer(db, NULL, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, cell_max);
	for (int i = 0; i < SQL_COLUMNS_MAX; i++)
		free(q.key[i]);
	free(q.held);
	arena_free(&q.arena);
	buf_free(&q.out);
	return rc;
}
