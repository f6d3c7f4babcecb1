// SPDX-License-Identifier: Apache-2.0
/*
 * read.c - events in the order of their numbers, from a table per kind
 *
 * One cursor a table, each in the order of its primary key; the smallest number comes next. No
 * sort, no memory that grows with the journal (but for the process keys of a pid).
 *
 * Invariant: an event is handed out only if exactly this event could have been written.
 */
#include <sqlite3.h>

#include "journal/reader.h"
#include "journal/schema.h"

struct cursor {
	sqlite3_stmt *st;
	struct event ev; /* strings point into st's row */
};

struct cursors {
	struct journal_reader *r;
	int n;
	struct cursor c[EVENT_KINDS];
	struct cursor *given; /* its row was handed out, and is left at the next call */
};

/* ---- one row ------------------------------------------------------------------------------ */

static bool row_val(sqlite3_stmt *st, int col, enum val_type type, struct val *v)
{
	int is = sqlite3_column_type(st, col);

	*v = (struct val){ 0 };
	if (is == SQLITE_NULL)
		return true;
	if (type == VAL_INT) {
		v->type = VAL_INT;
		v->i = sqlite3_column_int64(st, col);
		return is == SQLITE_INTEGER;
	}
	if (is != SQLITE_TEXT && is != SQLITE_BLOB)
		return false;
	v->type = VAL_TEXT;
	v->s.p = sqlite3_column_blob(st, col) ?: "";
	v->s.n = (size_t)sqlite3_column_bytes(st, col);
	/* the same bytes under the other type are another value to a query */
	return v->s.n <= EVENT_TEXT_MAX && utf8_valid(v->s.p, v->s.n) == (is == SQLITE_TEXT);
}

int row_event(struct sqlite3_stmt *st, enum event_kind kind, struct event *ret)
{
	const struct kind_def *def = event_kind_def(kind);
	int64_t head[4];
	int fields = sqlite3_column_count(st) - 4;
	bool ok = fields >= 0 && fields <= def->nfields;

	for (int i = 0; i < 4; i++) {
		head[i] = sqlite3_column_int64(st, i);
		ok = ok && sqlite3_column_type(st, i) == SQLITE_INTEGER && head[i] >= 0;
	}
	ret->kind = kind;
	ret->seq = (uint64_t)head[0];
	ret->t = (uint64_t)head[1];
	ret->run = (uint32_t)head[2];
	ret->proc = (uint32_t)head[3];
	ok = ok && head[2] <= UINT32_MAX && head[3] <= UINT32_MAX;
	for (int i = 0; i < fields && ok; i++)
		ok = row_val(st, i + 4, def->field[i].type, &ret->v[i]);
	for (int i = ok ? fields : 0; i < EVENT_FIELDS_MAX; i++)
		ret->v[i] = (struct val){ 0 };
	return ok ? 0 : -EBADMSG;
}

/* ---- merge -------------------------------------------------------------------------------- */

static const char *filter_sql(const struct journal_filter *f, char *out, size_t room)
{
	snprintf(out, room, " WHERE seq>=?1 AND seq<=?2%s%s%s%s", f->run ? " AND run=?3" : "",
		 f->proc > 0 ? " AND proc=?4" : "", f->t_from ? " AND t>=?5" : "",
		 f->t_to ? " AND t<=?6" : "");
	return out;
}

static int64_t clamp(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int cursor_open(struct journal_reader *r, enum event_kind kind,
		       const struct journal_filter *f, sqlite3_stmt **ret, struct err *err)
{
	char where[128];
	cleanup_free char *sql =
		schema_select_sql(event_kind_def(kind), filter_sql(f, where, sizeof(where)));
	int rc = sqlite3_prepare_v2(r->db, sql, -1, ret, NULL);

	if (rc == SQLITE_ERROR && r->older) {
		*ret = NULL; /* a table that came later */
		return 0;
	}
	if (rc != SQLITE_OK)
		return db_fail(r->db, rc, "read the events", err);
	if (sqlite3_column_count(*ret) - 4 > event_kind_def(kind)->nfields)
		return err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				    "journal: table '%s' has columns that this belljar does not "
				    "know: made by a newer one",
				    event_kind_def(kind)->table);
	/* all rows unless told otherwise, also those that no writer made: verify must see them */
	sqlite3_bind_int64(*ret, 1, f->seq_from ? clamp(f->seq_from) : INT64_MIN);
	sqlite3_bind_int64(*ret, 2, f->seq_to ? clamp(f->seq_to) : INT64_MAX);
	if (f->run)
		sqlite3_bind_int64(*ret, 3, f->run);
	if (f->proc > 0)
		sqlite3_bind_int64(*ret, 4, f->proc);
	if (f->t_from)
		sqlite3_bind_int64(*ret, 5, clamp(f->t_from));
	if (f->t_to)
		sqlite3_bind_int64(*ret, 6, clamp(f->t_to));
	return 0;
}

/* Steps @c; at its end it leaves the set. Return: 0 or -errno */
static int advance(struct cursors *cs, struct cursor *c, struct err *err)
{
	int rc = sqlite3_step(c->st);

	if (rc == SQLITE_ROW) {
		if (row_event(c->st, c->ev.kind, &c->ev)) {
			err_set_exit(err, EXIT_CORRUPT, EBADMSG,
				     "journal: event %llu in table '%s' has a value that was never "
				     "written",
				     (unsigned long long)c->ev.seq,
				     event_kind_def(c->ev.kind)->table);
			return -EBADMSG;
		}
		return 0;
	}
	if (rc != SQLITE_DONE)
		return db_fail(cs->r->db, rc, "read the events", err);
	sqlite3_finalize(c->st);
	*c = cs->c[--cs->n];
	return 0;
}

int cursors_open(struct journal_reader *r, const struct journal_filter *f, struct cursors **ret,
		 struct err *err)
{
	struct cursors *cs = xcalloc(1, sizeof(*cs));
	int rc = 0;

	cs->r = r;
	for (int k = 1; k < EVENT_KINDS && !rc; k++) {
		struct cursor *c = &cs->c[cs->n];

		if (!event_kind_def((enum event_kind)k) || (f->kinds && !(f->kinds & 1u << k)))
			continue;
		rc = cursor_open(r, (enum event_kind)k, f, &c->st, err);
		if (rc)
			break;
		if (!c->st)
			continue;
		c->ev.kind = (enum event_kind)k;
		cs->n++;
		rc = advance(cs, c, err);
	}
	if (rc) {
		if (cs->n < EVENT_KINDS)
			sqlite3_finalize(cs->c[cs->n].st);
		cursors_close(cs);
		return rc;
	}
	*ret = cs;
	return 0;
}

static int cursors_pick(struct cursors *cs, struct err *err)
{
	struct cursor *best = NULL;

	if (cs->given) {
		int rc = advance(cs, cs->given, err);

		cs->given = NULL;
		if (rc)
			return rc;
	}
	for (int i = 0; i < cs->n; i++)
		if (!best || cs->c[i].ev.seq < best->ev.seq)
			best = &cs->c[i];
	cs->given = best;
	return best != NULL;
}

int cursors_next(struct cursors *cs, struct event *ret, struct err *err)
{
	int rc = cursors_pick(cs, err);

	if (rc > 0)
		*ret = cs->given->ev;
	return rc;
}

void cursors_close(struct cursors *cs)
{
	if (!cs)
		return;
	for (int i = 0; i < cs->n; i++)
		sqlite3_finalize(cs->c[i].st);
	free(cs);
}

/* ---- journal_read ------------------------------------------------------------------------- */

/** struct procs - process keys that had a pid: pids come back, keys do not */
struct procs {
	bool on;
	struct buf keys; /* uint32_t, ascending */
};

static void procs_add(struct procs *p, uint32_t key)
{
	buf_add(&p->keys, &key, sizeof(key));
}

static int key_order(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int procs_find(struct journal_reader *r, int64_t pid, struct procs *p, struct err *err)
{
	struct spool_view at = r->left;
	sqlite3_stmt *st = NULL;
	struct event ev;
	int rc;

	p->on = true;
	rc = sqlite3_prepare_v2(r->db,
				"SELECT DISTINCT proc FROM process WHERE pid=?1 AND op<>'exit'", -1,
				&st, NULL);
	sqlite3_bind_int64(st, 1, pid);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		procs_add(p, (uint32_t)sqlite3_column_int64(st, 0));
		rc = SQLITE_OK;
	}
	rc = rc == SQLITE_DONE ? 0 : db_fail(r->db, rc, "look for the pid", err);
	sqlite3_finalize(st);
	while (!rc && left_next(&at, r->last_seq, &ev))
		if (ev.kind == EV_PROCESS && ev.v[EV_AT(PROCESS, PID)].type == VAL_INT &&
		    ev.v[EV_AT(PROCESS, PID)].i == pid)
			procs_add(p, ev.proc);
	if (p->keys.n)
		qsort(p->keys.p, p->keys.n / sizeof(uint32_t), sizeof(uint32_t), key_order);
	return p->keys.overflow ? err_set(err, E2BIG, "journal: look for the pid") : rc;
}

static bool procs_has(const struct procs *p, uint32_t key)
{
	return !p->on || (p->keys.n && bsearch(&key, p->keys.p, p->keys.n / sizeof(uint32_t),
					       sizeof(uint32_t), key_order));
}

static bool passes(const struct journal_filter *f, const struct event *ev)
{
	return (!f->kinds || f->kinds & 1u << ev->kind) && (!f->run || ev->run == f->run) &&
	       (f->proc <= 0 || (int64_t)ev->proc == f->proc) &&
	       (!f->seq_from || ev->seq >= f->seq_from) && (!f->seq_to || ev->seq <= f->seq_to) &&
	       (!f->t_from || ev->t >= f->t_from) && (!f->t_to || ev->t <= f->t_to);
}

static int read_tables(struct journal_reader *r, const struct journal_filter *f,
		       const struct procs *procs, int (*fn)(void *ctx, const struct event *ev),
		       void *ctx, struct err *err)
{
	struct cursors *cs;
	int rc = cursors_open(r, f, &cs, err);

	if (rc)
		return rc;
	while ((rc = cursors_pick(cs, err)) > 0) {
		const struct event *ev = &cs->given->ev;

		/* more to come means that there is one */
		// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
		rc = procs_has(procs, ev->proc) ? fn(ctx, ev) : 0;
		if (rc)
			break;
	}
	cursors_close(cs);
	return rc;
}

int journal_read(struct journal_reader *r, const struct journal_filter *f,
		 int (*fn)(void *ctx, const struct event *ev), void *ctx, struct err *err)
{
	static const struct journal_filter all;
	struct spool_view at = r->left;
	struct procs procs = { 0 };
	struct event ev;
	int rc = 0;

	f = f ? f : &all;
	if (f->pid)
		rc = procs_find(r, f->pid, &procs, err);
	if (!rc)
		rc = read_tables(r, f, &procs, fn, ctx, err);
	while (!rc && left_next(&at, r->last_seq, &ev))
		if (passes(f, &ev) && procs_has(&procs, ev.proc))
			rc = fn(ctx, &ev);
	buf_free(&procs.keys);
	return rc;
}
