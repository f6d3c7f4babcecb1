// SPDX-License-Identifier: Apache-2.0
/*
 * planted.c - `belljar verify` without a name: is everything that is done under glass on record?
 *
 * Runs the planted program (specimen/planted) in an anonymous box and asks the journal for each
 * action of planted.def. An action counts as seen only when its process performed it *and* the
 * record has its kind, operation, path and process right. Then come conditions that must hold for
 * any record as a whole.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "../../specimen/planted/planted_sql.h"
#include "cmd/cmd.h"
#include "session/session.h"

struct planted {
	int number;
	const char *name, *says, *sql;
};

static const struct planted actions[] = {
#define PLANTED(number, name, fn, says, sql) { number, name, says, sql },
#include "../../specimen/planted/planted.def"
#undef PLANTED
};

/* What holds for a record as a whole; numbers follow those of the actions. */
static const struct planted wholes[] = {
	{ 901, "run-is-whole", "the run has a beginning and an end",
	  COUNT("run_begin", "1") "=1 AND " COUNT("run_end", "1") "=1" },
	{ 902, "nothing-unseen", "no gap", "NOT " EXISTS("gap", "1") },
	{ 903, "births-and-ends", "every process that was born has ended, once",
	  "NOT " EXISTS("process a",
			"op='fork' AND (SELECT count(*) FROM process b WHERE b.op='exit'"
			" AND b.proc=a.proc)<>1") },
	{ 904, "parents-known", "every process has a parent on record",
	  "NOT " EXISTS("process", "op='fork' AND cause IS NULL AND parent IS NULL") },
	{ 905, "truth-has-intent",
	  "no change on disk without a call that made it (paths to PATH_MAX)",
	  "NOT " EXISTS("mismatch", "what='truth-without-intent' AND length(path)<4096") },
};

enum row_state { SEEN, NOT_SEEN, NOT_DONE, NOT_HERE };

static const struct {
	const char *text, *json;
} row_words[] = {
	[SEEN] = { "seen", "seen" },
	[NOT_SEEN] = { "NOT SEEN", "not-seen" },
	[NOT_DONE] = { "NOT DONE", "not-done" },
	[NOT_HERE] = { "not here", "not-here" },
};

#define PLANTED_CANNOT 77 /* what an action exits with that this kernel does not know */

struct tally {
	unsigned n[ARRAY_SIZE(row_words)];
};

/* One run of the program in the box, from nothing to a sealed journal. */
static int run_program(struct session_run *s, const char *program, int fd, int *ret_status,
		       struct err *err)
{
	static const char *const env[] = { "BELLJAR=1" };
	static const char *const argv[] = { "./belljar-planted", NULL };
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct session_opts o = { .create = true,
				  .command_line = argv[0],
				  .net = { .off = true },
				  .box = { .nenv = 1, .env = env, .nbinds = 1 } };
	struct box_program prog = { .argv = argv,
				    .stdio = STDIO_RELAY,
				    .fds = { null, null, STDERR_FILENO } };
	struct err end_err = { 0 };
	struct box_proc proc;
	int rc;

	o.box.bind[0] = (struct box_bind){ .how = BIND_COPY, .src = program, .fd = fd };
	rc = session_begin(s, &o, err);
	if (!rc)
		rc = session_spawn(s, &prog, "run", &proc, err);
	if (!rc)
		rc = session_wait(s, proc.id, proc.pid, -1, ret_status, err);
	if (rc < 0) {
		s->reason = "not-started";
		session_end(s, -1, &end_err);
		return rc;
	}
	return session_end(s, *ret_status, err);
}

static int ask(struct sqlite3 *db, const struct planted *p, bool is_action,
	       enum row_state *ret_state, struct err *err)
{
	cleanup_free char *sql = xasprintf(
		"%s SELECT (SELECT exit_status FROM process WHERE op='exit' AND proc IN " ME
		"), (SELECT count(*) FROM act), (%s)",
		PLANTED_PRELUDE, p->sql);
	sqlite3_stmt *st;
	bool ended, performed, cannot, seen;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return err_set(err, 0, "verify: condition of '%s': %s", p->name,
			       sqlite3_errmsg(db));
	sqlite3_bind_text(st, 1, p->name, -1, SQLITE_STATIC);
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_finalize(st);
		return err_set(err, 0, "verify: condition of '%s': %s", p->name,
			       sqlite3_errmsg(db));
	}
	ended = sqlite3_column_type(st, 0) != SQLITE_NULL;
	performed = ended && sqlite3_column_int(st, 0) == 0;
	cannot = ended && sqlite3_column_int(st, 0) == PLANTED_CANNOT;
	seen = sqlite3_column_int(st, 1) == 1 && sqlite3_column_int(st, 2) == 1;
	if (!is_action)
		seen = sqlite3_column_int(st, 2) == 1;
	sqlite3_finalize(st);

	if (!is_action)
		*ret_state = seen ? SEEN : NOT_SEEN;
	else if (ended && !performed)
		*ret_state = cannot ? NOT_HERE : NOT_DONE;
	else
		*ret_state = seen ? SEEN : NOT_SEEN;
	return 0;
}

static void print_row(const struct planted *p, enum row_state state, bool json)
{
	if (json)
		printf("{\"number\":%d,\"name\":\"%s\",\"says\":\"%s\",\"state\":\"%s\"}\n",
		       p->number, p->name, p->says, row_words[state].json);
	else
		printf("%-8s  %3d  %-20s  %s\n", row_words[state].text, p->number, p->name,
		       p->says);
}

static int ask_all(struct sqlite3 *db, bool json, struct tally *t, struct err *err)
{
	enum row_state state = NOT_SEEN;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(actions) + ARRAY_SIZE(wholes); i++) {
		bool is_action = i < ARRAY_SIZE(actions);
		const struct planted *p =
			is_action ? &actions[i] : &wholes[i - ARRAY_SIZE(actions)];

		rc = ask(db, p, is_action, &state, err);
		if (rc)
			return rc;
		t->n[state]++;
		print_row(p, state, json);
	}
	return 0;
}

/* Events are numbered from 1 without gaps: all tables together hold exactly the last number. */
static int ask_numbers(struct sqlite3 *db, bool json, struct tally *t, struct err *err)
{
	static const struct planted row = { 906, "numbers-whole",
					    "events are numbered without gaps", "" };
	cleanup_buf struct buf sql = { 0 };
	enum row_state state;
	sqlite3_stmt *st;

	buf_puts(&sql, "SELECT count(*) = max(seq) AND count(DISTINCT seq) = max(seq) FROM (");
	for (int k = 1, n = 0; k < EVENT_KINDS; k++) {
		const struct kind_def *def = event_kind_def(k);

		if (def)
			buf_printf(&sql, "%sSELECT seq FROM \"%s\"", n++ ? " UNION ALL " : "",
				   def->table);
	}
	buf_puts(&sql, ")");
	if (sqlite3_prepare_v2(db, buf_z(&sql), -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return err_set(err, 0, "verify: count the events: %s", sqlite3_errmsg(db));
	state = sqlite3_column_int(st, 0) == 1 ? SEEN : NOT_SEEN;
	sqlite3_finalize(st);
	t->n[state]++;
	print_row(&row, state, json);
	return 0;
}

static int judge(const char *box_dir, bool json, struct tally *t, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/journal.db", box_dir);
	struct journal_reader *r;
	int rc = journal_read_open(path, &r, err);

	if (rc)
		return rc;
	rc = ask_all(journal_db(r), json, t, err);
	if (!rc)
		rc = ask_numbers(journal_db(r), json, t, err);
	journal_read_close(r);
	return rc;
}

static int run_and_judge(const char *program, int fd, bool json, struct tally *t, struct err *err)
{
	struct session_run s;
	int status = -1, rc = run_program(&s, program, fd, &status, err);

	if (!rc && (!WIFEXITED(status) || WEXITSTATUS(status) == 64))
		rc = err_set(err, 0, "verify: the planted program did not do its work");
	if (!rc)
		rc = judge(box_path(s.box), json, t, err);
	session_close(&s);
	return rc;
}

int verify_planted(bool json, struct err *err)
{
	char program[4096 + 64];
	struct tally t = { 0 };
	int fd, rc = program_beside("belljar-planted", program, sizeof(program), err);

	if (rc)
		return rc;
	fd = open(program, O_RDONLY | O_CLOEXEC); /* while we still may: see box_home_open() */
	if (fd < 0)
		return err_set_exit(err, EXIT_UNREADABLE, errno, "verify: read '%s'", program);
	rc = run_and_judge(program, fd, json, &t, err);
	if (rc)
		return rc;
	if (!json)
		printf("%u on record, %u NOT SEEN, %u not performed, %u not possible here\n",
		       t.n[SEEN], t.n[NOT_SEEN], t.n[NOT_DONE], t.n[NOT_HERE]);
	return t.n[NOT_SEEN] || t.n[NOT_DONE] ? EXIT_NEGATIVE : EXIT_OK;
}
