// SPDX-License-Identifier: Apache-2.0
/*
 * common.h - a folder, a key and a few events for the journal's tests
 */
#ifndef BELLJAR_TESTS_JOURNAL_COMMON_H
#define BELLJAR_TESTS_JOURNAL_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "journal/journal.h"

/** struct place - a box's folder below a temporary one, with the key beside it */
struct place {
	char top[128], box[160], key[160], db[192];
	int dirfd;
	struct err err;
};

static inline void place_make_in(struct place *p, const char *under)
{
	assert_in_range(snprintf(p->top, sizeof(p->top), "%s/bj-journal.XXXXXX", under), 1,
			sizeof(p->top) - 1);
	assert_non_null(mkdtemp(p->top));
	snprintf(p->box, sizeof(p->box), "%s/box", p->top);
	snprintf(p->key, sizeof(p->key), "%s/key", p->top);
	snprintf(p->db, sizeof(p->db), "%s/journal.db", p->box);
	assert_int_equal(mkdir(p->box, 0700), 0);
	p->dirfd = open(p->box, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dirfd >= 0);
	p->err = (struct err){ 0 };
}

static inline int place_make(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	place_make_in(p, "/tmp");
	*state = p;
	return 0;
}

static inline int place_remove(void **state)
{
	struct place *p = *state;

	close(p->dirfd);
	chmod(p->box, 0700);
	rm_rf_at(AT_FDCWD, p->top);
	free(p);
	return 0;
}

/* A call that must succeed, with its sentence when it does not. */
#define must(p, call)                                                                              \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, (p)->err.msg);                                   \
	} while (0)

static inline struct journal *open_journal(struct place *p)
{
	struct journal *j = NULL;

	must(p, journal_open(p->dirfd, p->key, &j, &p->err));
	return j;
}

static inline void run_begin(struct place *p, struct journal *j)
{
	struct event ev = { .kind = EV_RUN_BEGIN };

	ev.v[EV_AT(RUN_BEGIN, WALL)] = V_INT(clock_real_ns());
	ev.v[EV_AT(RUN_BEGIN, ARGV)] = V_Z("true");
	must(p, journal_run_begin(j, &ev, NULL, &p->err));
}

static inline void run_end(struct place *p, struct journal *j)
{
	struct event ev = { .kind = EV_RUN_END, .t = UINT64_MAX };

	ev.v[EV_AT(RUN_END, STATUS)] = V_INT(0);
	must(p, journal_append(j, &ev, NULL, &p->err));
}

static inline struct event file_event(const char *op, struct str path)
{
	struct event ev = { .kind = EV_FILE, .t = UINT64_MAX, .proc = 1 };

	ev.v[EV_AT(FILE, OP)] = V_Z(op);
	ev.v[EV_AT(FILE, PATH)] = V_STR(path);
	ev.v[EV_AT(FILE, BEFORE)] = V_INT(0);
	return ev;
}

static inline void add_file(struct place *p, struct journal *j, const char *op, const char *path)
{
	struct event ev = file_event(op, str_z(path));

	must(p, journal_append(j, &ev, NULL, &p->err));
}

static inline void add_process(struct place *p, struct journal *j, const char *op, uint32_t proc,
			       uint32_t parent, int pid, const char *image)
{
	struct event ev = { .kind = EV_PROCESS, .t = UINT64_MAX, .proc = proc };

	ev.v[EV_AT(PROCESS, OP)] = V_Z(op);
	ev.v[EV_AT(PROCESS, PID)] = V_INT(pid);
	ev.v[EV_AT(PROCESS, PARENT)] = V_INT(parent);
	ev.v[EV_AT(PROCESS, IMAGE)] = V_Z(image);
	ev.v[EV_AT(PROCESS, COMMAND_LINE)] = V_Z(image);
	must(p, journal_append(j, &ev, NULL, &p->err));
}

static inline struct journal_verdict verify(struct place *p)
{
	struct journal_verdict v = { 0 };

	must(p, journal_verify(p->db, p->key, &v, &p->err));
	return v;
}

static inline int count_events(void *ctx, const struct event *ev)
{
	/* numbers come without gaps, whatever else the journal holds */
	assert_int_equal(ev->seq, ++*(uint64_t *)ctx);
	return 0;
}

static inline uint64_t events_in(struct place *p)
{
	struct journal_reader *r;
	uint64_t n = 0;

	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_read(r, NULL, count_events, &n, &p->err));
	journal_read_close(r);
	return n;
}

/* What a plain SQLite tool answers, first column of the first row. */
static inline int64_t sql_number(struct place *p, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t v = -1;

	assert_int_equal(sqlite3_open_v2(p->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

static inline char *sql_text(struct place *p, const char *sql)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char *v = NULL;

	assert_int_equal(sqlite3_open_v2(p->db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		v = xstrdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

#endif
