// SPDX-License-Identifier: Apache-2.0
/*
 * examine.c - go through the table: runs, begin and end of each experiment, what is done already
 */
#include <assert.h>

#include "examine/inner.h"

/* ---- what the journal says is done -------------------------------------------------------- */

#define DONE_SQL                                                                                   \
	"SELECT experiment, max(step='end') FROM mark WHERE name='experiment' GROUP BY experiment"

static unsigned row_of(const char *name)
{
	for (unsigned i = 0; i < nexperiments; i++)
		if (!strcmp(experiments[i].name, name))
			return i;
	return nexperiments;
}

static bool is_done(const struct exam *x, const char *name)
{
	unsigned i = row_of(name);

	return i < nexperiments && x->done >> i & 1;
}

/*
 * The last time that the record tells of the box: its date then, and how far that was ahead of
 * ours. Jumps that follow closely have no event of their own, so what happened later may be later
 * by more than the last event of the clock says.
 */
#define DATE_SQL                                                                                   \
	"SELECT c.date_ns - (r.wall_ns + c.t - c.offset_ns), "                                     \
	"c.date_ns + (SELECT max(t) FROM events e WHERE e.run = c.run) - c.t "                     \
	"FROM clock c JOIN run_begin r ON r.run = c.run WHERE c.seq = (SELECT max(seq) FROM clock)"

/* The box's date goes on from where it was when whoever examined it was interrupted. */
static void take_date(void *to, sqlite3_stmt *st)
{
	struct exam *x = to;
	int64_t ahead = sqlite3_column_int64(st, 0), last = sqlite3_column_int64(st, 1);
	int64_t since = last - (int64_t)clock_real_ns();

	if (since > ahead)
		ahead = since;
	x->ahead_ns = ahead > 0 ? (uint64_t)ahead : 0;
}

static void take_done(void *to, sqlite3_stmt *st)
{
	struct exam *x = to;
	const char *name = (const char *)sqlite3_column_text(st, 0);
	unsigned i = name ? row_of(name) : nexperiments;

	if (i < nexperiments && sqlite3_column_int(st, 1))
		x->done |= 1ull << i;
}

static int read_done(struct exam *x, struct err *err)
{
	const struct rows done = { .what = "marks", .sql = DONE_SQL, .take = take_done, .to = x };
	const struct rows date = { .what = "dates", .sql = DATE_SQL, .take = take_date, .to = x };
	cleanup_free char *path = xasprintf("%s/journal.db", box_path(x->s.box));
	cleanup_free char *keys = xasprintf("%s/key", x->s.home.path);
	struct journal_reader *r = NULL;
	struct journal *j = NULL;
	int rc;

	/* what a killed run left in the spool is stored first */
	rc = journal_open(box_dirfd(x->s.box), keys, &j, err);
	if (!rc)
		rc = journal_close(j, err);
	if (!rc)
		rc = journal_read_open(path, &r, err);
	if (rc)
		return rc;
	rc = rows_each(r, &done, err);
	if (!rc)
		rc = rows_each(r, &date, err);
	journal_read_close(r);
	return rc;
}

static bool find_snapshot(struct exam *x)
{
	const struct box_info *info = box_get_info(x->s.box);

	for (unsigned i = 0; i < info->nsnapshots; i++)
		if (!strcmp(info->snapshot[i].name, BEFORE_INSTALL)) {
			x->since = info->snapshot[i].layer;
			return true;
		}
	return false;
}

/* An install that did not come to its end is done again, from before it. */
static int prepare(struct exam *x, struct err *err)
{
	bool has_record = !faccessat(box_dirfd(x->s.box), "journal.db", F_OK, 0);
	int rc = 0;

	if (has_record && !x->o->resume)
		return err_set_exit(err, EXIT_EXISTS, EEXIST,
				    "examine: the box '%s' has a record already: --resume goes on, "
				    "'belljar remove' makes room for a new one",
				    x->o->session.name);
	if (has_record)
		rc = read_done(x, err);
	else if (x->o->identity)
		rc = box_identify(x->s.box, x->o->identity, err);
	if (rc)
		return rc;
	if (find_snapshot(x) && !is_done(x, "install"))
		rc = box_rollback(x->s.box, BEFORE_INSTALL, err);
	return rc;
}

/* ---- runs --------------------------------------------------------------------------------- */

static int end_run(struct exam *x, struct err *err)
{
	int rc;

	if (!x->running)
		return 0;
	x->running = false;
	x->before_ns += session_box_now(&x->s);
	x->ahead_ns = session_date_ahead(&x->s);
	subject_clear(&x->subject);
	x->manager = (struct manager){ .n = 0 };
	rc = session_end(&x->s, -1, err);
	boot_free(&x->boot);
	return rc;
}

static int begin_run(struct exam *x, const struct experiment *e, bool boots, struct err *err)
{
	cleanup_free char *line = xasprintf("belljar examine: %s", e->name);
	int rc = end_run(x, err);

	if (!rc && !strcmp(e->name, "install") && !find_snapshot(x)) {
		rc = box_snapshot(x->s.box, BEFORE_INSTALL, err);
		find_snapshot(x);
	}
	if (rc)
		return rc;
	x->session = x->o->session;
	x->session.command_line = line;
	/* tests whose watches are shorter stand in real time */
	x->session.speed = x->o->scale < 1 ? SPEED_REAL : SPEED_LAPSE;
	/* a machine's date goes on while it restarts, and while nobody examines it */
	if (x->session.speed == SPEED_LAPSE && x->ahead_ns >= NSEC_PER_SEC)
		x->session.date_ns = (int64_t)(clock_real_ns() + x->ahead_ns);
	x->session.mark = boots ? "restart" : NULL;
	rc = session_start(&x->s, &x->session, err);
	x->running = !rc;
	x->began = 0;
	return rc ? rc : manager_is_there(x, err);
}

/* ---- the table ---------------------------------------------------------------------------- */

static int begin_mark(struct exam *x, struct err *err)
{
	x->began = session_box_now(&x->s);
	progress(x, "begins");
	return mark(x, &(struct mark){ .step = "begin", .detail = x->now->shows }, err);
}

/* A row that begins a run: where it is a boot, the end of the run before belongs to it. */
static int enter(struct exam *x, const struct experiment *e, struct err *err)
{
	int rc = 0;

	if (e->new_run)
		return begin_run(x, e, e->boots, err);
	if (!x->running) {
		/* resumed: what ran has ended with its run, and a boot starts it */
		rc = begin_run(x, e, true, err);
		if (!rc)
			rc = start_entries(x, NULL, err);
		if (!rc)
			rc = watch(x, 2 * LONG_LIVED_NS, err);
	}
	return rc;
}

static int one(struct exam *x, unsigned i, struct err *err)
{
	const struct experiment *e = &experiments[i];
	int rc;

	x->now = e;
	x->now_nr = i;
	/* asked of what runs now, before a row's own run begins */
	if (e->new_run && !e->applies(x))
		return 0;
	rc = enter(x, e, err);
	if (rc || !e->applies(x))
		return rc;
	rc = begin_mark(x, err);
	if (!rc)
		rc = e->act(x, err);
	if (!rc)
		rc = mark(x, &(struct mark){ .step = "end" }, err);
	if (!rc)
		x->done |= 1ull << i;
	if (!rc)
		progress(x, "done");
	return rc;
}

static int all(struct exam *x, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < nexperiments && !rc; i++)
		if (!(x->done >> i & 1))
			rc = one(x, i, err);
	return rc;
}

static void fill(struct exam *x, struct examine_result *ret, int rc)
{
	*ret = (struct examine_result){ .of = nexperiments, .reason = "exit" };
	memcpy(ret->failed, x->failed, sizeof(ret->failed));
	for (unsigned i = 0; i < nexperiments; i++)
		ret->done += x->done >> i & 1;
	memcpy(ret->said, x->said, sizeof(ret->said));
	if (rc == -ECANCELED) {
		ret->interrupted = true;
		ret->reason = x->s.reason;
		ret->limit = str_ends(str_z(x->s.reason), "-limit");
		ret->experiment = x->now ? x->now->name : NULL;
	}
}

/* Nothing of the installer has run: one sentence, with what the program that unpacks it said. */
static int refuse(struct exam *x, struct err *err)
{
	log_last_line(x);
	return err_set_exit(err, EXIT_UNREADABLE, 0, "examine: '%s' %s%s%s", x->o->installer.name,
			    x->refused, x->said[0] ? ": " : "", x->said);
}

/* What an install that did not come to its end has left is taken back. The record of one that a
 * limit stopped is kept: it says what filled the box. */
static void take_back(struct exam *x, struct examine_result *ret, int rc)
{
	struct err late = { 0 };

	if (!rc || is_done(x, "install"))
		return;
	if (rc != -ECANCELED && x->made)
		box_remove(x->s.box, &late);
	else if (ret->limit && find_snapshot(x))
		ret->rolled_back = !box_rollback(x->s.box, BEFORE_INSTALL, &late);
}

int examine(const struct examine_opts *o, struct examine_result *ret, struct err *err)
{
	struct exam x = { .o = o };
	uint64_t asked = clock_real_ns();
	struct err late = { 0 };
	int rc, end;

	static_assert(EXPERIMENTS <= 64, "a bit for each");
	rc = installer_find(&o->installer, &x.kind, err);
	if (!rc)
		rc = installer_tools(&o->installer, x.kind, err);
	if (rc)
		return rc;
	rc = session_open(&x.s, &o->session, err);
	if (!rc) {
		x.made = box_get_info(x.s.box)->created_ns >= asked;
		rc = prepare(&x, err);
	}
	if (!rc)
		rc = all(&x, err);
	if (rc == -ECANCELED && x.running)
		mark(&x, &(struct mark){ .step = "act", .detail = "interrupted" }, &late);
	fill(&x, ret, rc);
	end = end_run(&x, rc && rc != -ECANCELED ? &late : err);
	if (x.refused)
		rc = refuse(&x, err);
	if (x.s.box)
		take_back(&x, ret, rc);
	if (rc == -ECANCELED)
		rc = 0;
	boot_free(&x.boot);
	free(x.uninstall);
	session_close(&x.s);
	return rc ? rc : end;
}
