// SPDX-License-Identifier: Apache-2.0
/*
 * journal_read.c - what readers see: filters, views, a journal in use, locked down, read-only
 */
#include "common.h"

#include <signal.h>
#include <sys/wait.h>

/* 1 run_begin; sh (1) forks 2, which runs cp; each writes; pid 3 is used twice. */
static void fill(struct place *p, struct journal *j)
{
	struct event ev = { .kind = EV_SOCKET, .t = UINT64_MAX, .proc = 3 };

	run_begin(p, j);
	add_process(p, j, "exec", 1, 0, 2, "/bin/sh");
	add_file(p, j, "create", "/tmp/by-sh");
	add_process(p, j, "fork", 2, 1, 3, NULL);
	ev = file_event("create", STR("/tmp/by-forked-sh"));
	ev.proc = 2;
	must(p, journal_append(j, &ev, NULL, &p->err));
	add_process(p, j, "exec", 2, 1, 3, "/bin/cp");
	ev = file_event("rename", STR("/tmp/a"));
	ev.v[EV_AT(FILE, PATH2)] = V_Z("/tmp/b");
	ev.proc = 2;
	must(p, journal_append(j, &ev, NULL, &p->err));
	add_process(p, j, "exit", 2, 1, 3, NULL);
	add_process(p, j, "fork", 3, 1, 3, NULL);
	ev = (struct event){ .kind = EV_SOCKET, .t = UINT64_MAX, .proc = 3 };
	ev.v[EV_AT(SOCKET, OP)] = V_Z("connect");
	ev.v[EV_AT(SOCKET, FAMILY)] = V_Z("inet");
	ev.v[EV_AT(SOCKET, ADDRESS)] = V_Z("192.0.2.7");
	ev.v[EV_AT(SOCKET, PORT)] = V_INT(9006);
	ev.v[EV_AT(SOCKET, ANSWER)] = V_Z("refused");
	must(p, journal_append(j, &ev, NULL, &p->err));
	ev = file_event("unlink", STR("/etc/passwd"));
	ev.v[EV_AT(FILE, ANSWER)] = V_Z("refused");
	must(p, journal_append(j, &ev, NULL, &p->err));
}

static int list(void *ctx, const struct event *ev)
{
	buf_printf(ctx, "%llu ", (unsigned long long)ev->seq);
	return 0;
}

static void reads(struct place *p, struct journal_filter f, const char *seqs)
{
	struct buf b = { 0 };
	struct journal_reader *r;

	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_read(r, &f, list, &b, &p->err));
	journal_read_close(r);
	assert_string_equal(buf_z(&b), seqs);
	buf_free(&b);
}

static void all_filters(struct place *p)
{
	reads(p, (struct journal_filter){ 0 }, "1 2 3 4 5 6 7 8 9 10 11 ");
	reads(p, (struct journal_filter){ .kinds = 1u << EV_FILE }, "3 5 7 11 ");
	reads(p, (struct journal_filter){ .proc = 2 }, "4 5 6 7 8 ");
	reads(p, (struct journal_filter){ .proc = -1, .seq_from = 10 }, "10 11 ");
	/* both processes that had the pid, and all that they did */
	reads(p, (struct journal_filter){ .pid = 3 }, "4 5 6 7 8 9 10 ");
	reads(p, (struct journal_filter){ .pid = 3, .kinds = 1u << EV_FILE }, "5 7 ");
	reads(p, (struct journal_filter){ .pid = 77 }, "");
	reads(p, (struct journal_filter){ .seq_from = 4, .seq_to = 6 }, "4 5 6 ");
	reads(p, (struct journal_filter){ .run = 2 }, "");
	reads(p, (struct journal_filter){ .run = 1, .t_to = 1 }, "1 ");
	reads(p, (struct journal_filter){ .t_from = INT64_MAX }, "");
}

static void test_filters_choose_the_same_events_from_file_and_spool(void **state)
{
	struct place *p = *state;
	struct journal *j;
	pid_t child = fork();

	if (!child) { /* killed with all of it in the spool alone, or in part */
		j = open_journal(p);
		fill(p, j);
		kill(getpid(), SIGKILL);
	}
	waitpid(child, NULL, 0);
	all_filters(p);
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	all_filters(p);
}

/* What SQL and what events say of an open journal: rows of all kinds, files, numbers. */
static void sql_and_events(struct place *p, struct journal_reader *r, const char *files)
{
	sqlite3_stmt *st = NULL;
	struct buf b = { 0 };

	assert_int_equal(sqlite3_prepare_v2(journal_db(r),
					    "SELECT (SELECT count(*) FROM events)||' '||"
					    "group_concat(seq,' ')||' ' FROM file",
					    -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(st, 0), files);
	sqlite3_finalize(st);
	must(p, journal_read(r, NULL, list, &b, &p->err));
	assert_string_equal(buf_z(&b), "1 2 3 4 5 6 7 8 9 10 11 12 13 ");
	buf_free(&b);
	assert_int_not_equal(sqlite3_exec(journal_db(r), "DELETE FROM file", NULL, NULL, NULL),
			     SQLITE_OK);
}

static void test_sql_sees_what_a_killed_run_left_in_the_spool(void **state)
{
	struct place *p = *state;
	struct journal_reader *r;
	struct journal_head head;
	struct journal *j = open_journal(p);
	pid_t child;

	fill(p, j);
	must(p, journal_close(j, &p->err));
	child = fork();
	if (!child) {
		j = open_journal(p);
		add_file(p, j, "create", "/tmp/late");
		add_file(p, j, "create", "/tmp/later");
		kill(getpid(), SIGKILL);
	}
	waitpid(child, NULL, 0);
	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_head(r, &head, &p->err));
	must(p, journal_read_gather(r, &p->err));
	sql_and_events(p, r, "13 3 5 7 11 12 13 ");
	must(p, journal_read_gather(r, &p->err)); /* nothing is left: nothing happens */
	sql_and_events(p, r, "13 3 5 7 11 12 13 ");
	assert_int_equal(head.events + head.unsealed, 13);
	journal_read_close(r);
}

static int stop_at_3(void *ctx UNUSED, const struct event *ev)
{
	return ev->seq == 3 ? 42 : 0;
}

static void test_a_reader_stops_when_told_and_says_so(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct journal_reader *r;

	fill(p, j);
	must(p, journal_close(j, &p->err));
	must(p, journal_read_open(p->db, &r, &p->err));
	assert_int_equal(journal_read(r, NULL, stop_at_3, NULL, &p->err), 42);
	journal_read_close(r);
}

static void test_views_speak_sigma(void **state)
{
	static const struct {
		const char *sql, *is;
	} ask[] = {
		{ "SELECT Image FROM process_creation WHERE seq=6", "/bin/cp" },
		{ "SELECT ParentImage FROM process_creation WHERE seq=6", "/bin/sh" },
		{ "SELECT ProcessId||' '||ParentProcessId FROM process_creation WHERE seq=6",
		  "3 2" },
		{ "SELECT group_concat(TargetFilename,' ') FROM file_event",
		  "/tmp/by-sh /tmp/by-forked-sh" },
		{ "SELECT Image FROM file_event WHERE seq=3", "/bin/sh" },
		/* no exec of its own yet: what it was forked from */
		{ "SELECT Image FROM file_event WHERE seq=5", "/bin/sh" },
		{ "SELECT SourceFilename||' '||TargetFilename||' '||Image FROM file_rename",
		  "/tmp/a /tmp/b /bin/cp" },
		{ "SELECT count(*) FROM file_delete", "0" }, /* it was refused */
		{ "SELECT DestinationIp||' '||DestinationPort||' '||Initiated||' '||Image FROM "
		  "network_connection",
		  "192.0.2.7 9006 true /bin/sh" },
		{ "SELECT count(*) FROM dns_query WHERE QueryName LIKE '%x%'", "0" },
		{ "SELECT count(*) FROM registry_set WHERE TargetObject='x' OR Details='y'", "0" },
		{ "SELECT count(*) FROM image_load WHERE ImageLoaded='x'", "0" },
		{ "SELECT count(*) FROM events", "11" },
		{ "SELECT summary FROM events WHERE seq=10", "connect inet 192.0.2.7 port 9006" },
		{ "SELECT abs(e.wall_ns-e.t-r.wall_ns) FROM events e, run_begin r WHERE e.seq=9",
		  "0" },
		{ "SELECT group_concat(name,' ') FROM (SELECT name FROM sqlite_schema WHERE "
		  "type='table' ORDER BY name)",
		  "attempt autostart banner block burst canary change clock content dns file flow gap "
		  "http limit mark meta mismatch module object process residue run_begin run_end "
		  "signal socket tls" },
	};
	struct place *p = *state;
	struct journal *j = open_journal(p);

	fill(p, j);
	must(p, journal_close(j, &p->err));
	for (size_t i = 0; i < ARRAY_SIZE(ask); i++) {
		cleanup_free char *got = sql_text(p, ask[i].sql);

		if (!got || strcmp(got, ask[i].is))
			fail_msg("%s: %s", ask[i].sql, got ? got : "NULL");
	}
}

static void test_a_journal_in_use_is_read_up_to_its_last_event(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);
	struct journal_reader *r;
	struct journal_head h;
	struct journal_verdict v;
	uint64_t n = 0;

	fill(p, j);
	must(p, journal_sync(j, &p->err));
	must(p, journal_read_open(p->db, &r, &p->err));
	add_file(p, j, "create", "/tmp/later");
	must(p, journal_sync(j, &p->err));
	/* one state from the open on, however the writer goes on */
	must(p, journal_read(r, NULL, count_events, &n, &p->err));
	assert_int_equal(n, 11);
	must(p, journal_head(r, &h, &p->err));
	assert_int_equal(h.events, 11);
	assert_true(h.cut);
	journal_read_close(r);
	add_file(p, j, "create", "/tmp/not yet sealed");
	assert_int_equal(events_in(p), 13);
	v = verify(p);
	assert_true(v.ok);
	assert_non_null(strstr(v.sentence, "being written"));
	run_end(p, j);
	must(p, journal_close(j, &p->err));
	must(p, journal_read_open(p->db, &r, &p->err));
	must(p, journal_head(r, &h, &p->err));
	assert_int_equal(h.events, 14);
	assert_true(h.is_signed);
	assert_false(h.cut);
	assert_int_equal(h.unsealed, 0);
	journal_read_close(r);
}

/* In a child that can open nothing any more. */
static int read_locked_down(struct place *p)
{
	struct journal_reader *r;
	struct journal_head h;
	sqlite3_stmt *st;
	uint64_t n = 0;

	if (journal_read_open(p->db, &r, &p->err) || lockdown_reader(&p->err))
		return 2;
	if (open("/etc/passwd", O_RDONLY) >= 0)
		return 3;
	if (journal_read(r, NULL, count_events, &n, &p->err) || n != 11)
		return 4;
	if (journal_head(r, &h, &p->err) || h.events != 11 || !h.is_signed)
		return 5;
	if (sqlite3_prepare_v2(journal_db(r), "SELECT * FROM events ORDER BY summary", -1, &st,
			       NULL) != SQLITE_OK)
		return 6;
	for (n = 0; sqlite3_step(st) == SQLITE_ROW; n++)
		;
	sqlite3_finalize(st);
	if (n != 11)
		return 7;
	if (sqlite3_exec(journal_db(r), "DELETE FROM file", NULL, NULL, NULL) == SQLITE_OK)
		return 8;
	journal_read_close(r);
	return 0;
}

static int status_of(int (*fn)(struct place *), struct place *p)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(fn(p));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_a_reader_needs_nothing_more_once_it_is_open(void **state)
{
	struct place *p = *state;
	struct journal *j = open_journal(p);

	fill(p, j);
	must(p, journal_sync(j, &p->err));
	assert_int_equal(status_of(read_locked_down, p), 0); /* a live writer, WAL */
	must(p, journal_close(j, &p->err));
	assert_int_equal(status_of(read_locked_down, p), 0); /* at rest */
}

/* As somebody who can read the folder and write nothing. */
static int read_as_stranger(struct place *p)
{
	struct journal_verdict v;

	if (!geteuid() && (setgid(65534) || setuid(65534)))
		return 2;
	if (!faccessat(p->dirfd, ".", W_OK, 0))
		return 3;
	if (journal_verify(p->db, NULL, &v, &p->err)) {
		fprintf(stderr, "%s\n", p->err.msg);
		return 4;
	}
	if (!v.ok)
		fprintf(stderr, "%s\n", v.sentence);
	return v.ok && v.events_checked == 11 ? 0 : 5;
}

static void lend(struct place *p, bool shm)
{
	static const char *const file[] = { "journal.db", "journal.db-wal", "journal.db-shm",
					    "journal.head", "journal.spool" };

	if (!shm)
		unlinkat(p->dirfd, "journal.db-shm", 0);
	for (size_t i = 0; i < ARRAY_SIZE(file); i++)
		(void)fchmodat(p->dirfd, file[i], 0444, 0);
	assert_int_equal(chmod(p->top, 0755), 0);
	assert_int_equal(chmod(p->box, 0555), 0);
}

static int killed_writer(struct place *p)
{
	struct journal *j = open_journal(p);

	fill(p, j);
	must(p, journal_sync(j, &p->err));
	return 0; /* _exit(): as if killed */
}

static void test_a_foreign_or_read_only_folder_can_be_read(void **state)
{
	struct place *p = *state;
	struct journal *j;

	assert_int_equal(status_of(killed_writer, p), 0);
	lend(p, true);
	assert_int_equal(status_of(read_as_stranger, p), 0); /* killed, all side files there */
	lend(p, false);
	assert_int_equal(status_of(read_as_stranger, p),
			 0); /* copied: the index did not come along */
	chmod(p->box, 0700);
	for (int i = 0; i < 4; i++)
		(void)fchmodat(p->dirfd,
			       ((const char *[]){ "journal.db", "journal.db-wal", "journal.head",
						  "journal.spool" })[i],
			       0600, 0);
	j = open_journal(p);
	must(p, journal_close(j, &p->err));
	lend(p, false);
	assert_int_equal(status_of(read_as_stranger, p), 0); /* at rest */
}

static void test_what_is_no_journal_gets_a_sentence(void **state)
{
	struct place *p = *state;
	struct journal_reader *r = NULL;
	struct err err;

	assert_int_equal(journal_read_open(p->db, &r, &err), -ENOENT);
	assert_int_equal(err.exit, EXIT_NO_BOX);
	assert_int_equal(journal_read_open("/nonexistent/dir/journal.db", &r, &err), -ENOENT);
	assert_int_equal(write_file_at(p->dirfd, "journal.db", 0600, "hello, world\n", 13), 0);
	assert_int_equal(journal_read_open(p->db, &r, &err), -EBADMSG);
	assert_int_equal(err.exit, EXIT_CORRUPT);
	assert_int_equal(unlinkat(p->dirfd, "journal.db", 0), 0);
	assert_int_equal(mkfifoat(p->dirfd, "journal.db", 0600), 0);
	assert_int_equal(journal_read_open(p->db, &r, &err), -EBADMSG);
	assert_null(r);
}

static void test_a_view_in_the_place_of_a_table_is_refused(void **state)
{
	struct place *p = *state;
	struct journal_reader *r = NULL;
	struct err err = { 0 };
	struct journal *j = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(journal_open(p->dirfd, p->key, &j, &err), 0);
	assert_int_equal(journal_close(j, &err), 0);
	assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "ALTER TABLE file RENAME TO old; CREATE VIEW file AS "
				      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
				      "FROM n) SELECT i AS seq FROM n",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(journal_read_open(p->db, &r, &err), -EBADMSG);
	assert_int_equal(err.exit, EXIT_CORRUPT);
	assert_non_null(strstr(err.msg, "has no table 'file', but a view"));
	assert_null(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)
	const struct CMUnitTest tests[] = {
		T(test_filters_choose_the_same_events_from_file_and_spool),
		T(test_sql_sees_what_a_killed_run_left_in_the_spool),
		T(test_a_reader_stops_when_told_and_says_so),
		T(test_views_speak_sigma),
		T(test_a_journal_in_use_is_read_up_to_its_last_event),
		T(test_a_reader_needs_nothing_more_once_it_is_open),
		T(test_a_foreign_or_read_only_folder_can_be_read),
		T(test_what_is_no_journal_gets_a_sentence),
		T(test_a_view_in_the_place_of_a_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
