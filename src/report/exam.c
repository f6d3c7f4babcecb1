// SPDX-License-Identifier: Apache-2.0
/*
 * exam.c - what the journal has of an examination
 */
#include <sqlite3.h>

#include "report/exam.h"

const struct exam_heading exam_heading[QUESTIONS] = {
	[Q_STAYS] = { "stays", "What stays on the machine" },
	[Q_TALKS] = { "talks_to", "Who it talks to" },
	[Q_CONTROL] = { "controlled_by", "Who can control it" },
	[Q_DEFENDS] = { "defends_itself", "How it defends itself" },
	[Q_TOOK] = { "took_along", "What it took along" },
	[Q_ASK] = { "ask_the_vendor", "What to ask the vendor" },
};

int exam_query(struct rep *rep, const char *sql, void (*fn)(void *ctx, struct sqlite3_stmt *st),
	       void *ctx, struct err *err)
{
	struct sqlite3 *db = journal_db(rep->src.r);
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		fn(ctx, st);
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		err_set_exit(err, EXIT_CORRUPT, 0, "report: read the experiments: %s",
			     sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

struct str exam_text(struct rep *rep, struct sqlite3_stmt *st, int col)
{
	const char *p = sqlite3_column_blob(st, col);

	return arena_str(&rep->a,
			 (struct str){ p ? p : "", p ? (size_t)sqlite3_column_bytes(st, col) : 0 });
}

struct reading {
	struct rep *rep;
	struct exam *e;
};

/* ---- experiments -------------------------------------------------------------------------- */

#define MARKS                                                                                      \
	"SELECT seq, t, run, experiment, step, path, detail, target2 FROM mark WHERE "             \
	"experiment IS NOT NULL ORDER BY seq"

static struct exam_row *row_of(struct exam *e, struct str name)
{
	for (size_t i = e->n; i > 0; i--)
		if (str_eq(e->row[i - 1].name, name))
			return &e->row[i - 1];
	return NULL;
}

static void begin_row(struct reading *r, struct str name, uint64_t seq, uint64_t t, uint32_t run,
		      struct str shows)
{
	struct exam *e = r->e;

	e->row = vec_grow(e->row, e->n, &e->cap, sizeof(*e->row));
	e->row[e->n++] = (struct exam_row){
		.name = name, .shows = shows, .begin_seq = seq, .run = run, .t0 = t, .t1 = t
	};
}

static void add_act(struct reading *r, struct exam_row *row, uint64_t seq, struct str path,
		    struct str detail, bool pair)
{
	struct line *l;

	if (row->acts.n >= EXAM_ROWS) {
		row->acts.total++;
		return;
	}
	l = lines_add(&row->acts);
	if (path.n)
		line_name(&r->rep->a, l, path);
	if (pair)
		line_say(&r->rep->a, l, " and another one");
	if (detail.n) {
		line_say(&r->rep->a, l, path.n ? ": " : "");
		line_name(&r->rep->a, l, detail);
	}
	line_ref(l, EV_MARK, seq, 0);
}

static void take_mark(void *ctx, sqlite3_stmt *st)
{
	struct reading *r = ctx;
	uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
	uint64_t t = (uint64_t)sqlite3_column_int64(st, 1);
	uint32_t run = (uint32_t)sqlite3_column_int64(st, 2);
	struct str path = exam_text(r->rep, st, 5);
	struct str name = exam_text(r->rep, st, 3), step = exam_text(r->rep, st, 4);
	struct str detail = exam_text(r->rep, st, 6);
	struct exam_row *row = row_of(r->e, name);

	if (str_eq(name, STR("install")) && path.n && !r->e->installer.n)
		r->e->installer = path;
	if (str_eq(step, STR("begin"))) {
		begin_row(r, name, seq, t, run, detail);
	} else if (row && row->run == run) {
		row->t1 = t;
		if (str_eq(step, STR("end")))
			row->end_seq = seq;
		else if (str_eq(step, STR("act")))
			add_act(r, row, seq, path, detail,
				sqlite3_column_type(st, 7) != SQLITE_NULL);
	}
}

/*
 * A clock that did not wait for the box's waits went over what somebody does every second or
 * minute. The month of its experiment is meant to. Jumps that follow closely have no event of their
 * own: what they come to is here with the next.
 */
#define AT_ONCE                                                                                     \
	"WITH j AS (SELECT run, t, cause, offset_ns - lag(offset_ns, 1, 0) OVER (PARTITION BY run " \
	"ORDER BY seq) AS ns FROM clock) SELECT run, t, ns FROM j WHERE cause='busy' OR "           \
	"(cause='ahead' AND ns < 2592000000000000)"

static void take_at_once(void *ctx, sqlite3_stmt *st)
{
	struct exam *e = ((struct reading *)ctx)->e;
	uint32_t run = (uint32_t)sqlite3_column_int64(st, 0);
	uint64_t t = (uint64_t)sqlite3_column_int64(st, 1);
	uint64_t ns = (uint64_t)sqlite3_column_int64(st, 2);

	for (size_t i = 0; i < e->n; i++) {
		struct exam_row *r = &e->row[i];

		if (r->run == run && r->t0 < t && t <= r->t1)
			r->at_once += ns < t - r->t0 ? ns : t - r->t0;
	}
}

void exam_put_time(struct buf *o, const struct exam_row *r)
{
	put_duration(o, r->t1 - r->t0);
	if (!r->at_once)
		return;
	buf_puts(o, ", of which ");
	put_duration(o, r->at_once);
	buf_puts(o, " went by at once");
}

const char *exam_at_once(const struct exam *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->row[i].at_once)
			return "Programs here work, or wake, all the time: then the clock of the "
			       "box does not wait for them. What they do again and again was seen "
			       "less often in such a time than it would be.";
	return NULL;
}

/* ---- what is left ------------------------------------------------------------------------- */

static void take_left(void *ctx, sqlite3_stmt *st)
{
	struct reading *r = ctx;
	struct exam *e = r->e;
	struct str look = exam_text(r->rep, st, 0), grade = exam_text(r->rep, st, 1);
	size_t i = 0;
	int g = grade.n == 2 ? grade.p[1] - '1' : -1;

	for (; i < e->nlooks && !str_eq(e->look[i], look); i++)
		;
	/* not one that was interrupted */
	if (i == e->nlooks || g < 0 || g >= EXAM_GRADES)
		return;
	if (sqlite3_column_int(st, 4))
		e->gone[i] += g + 1 != 5 ? (uint64_t)sqlite3_column_int64(st, 3) : 0;
	else
		(sqlite3_column_int(st, 2) ? e->explained : e->left)[i][g] +=
			(uint64_t)sqlite3_column_int64(st, 3);
}

static void take_looks(void *ctx, sqlite3_stmt *st)
{
	struct reading *r = ctx;

	if (r->e->nlooks < EXAM_LOOKS)
		r->e->look[r->e->nlooks++] = exam_text(r->rep, st, 0);
}

static void take_installed(void *ctx, sqlite3_stmt *st)
{
	struct exam *e = ((struct reading *)ctx)->e;

	e->installed_files = (uint64_t)sqlite3_column_int64(st, 0);
	e->installed_entries = (uint64_t)sqlite3_column_int64(st, 1);
	e->installed_users = (uint64_t)sqlite3_column_int64(st, 2);
	e->installed_gone = (uint64_t)sqlite3_column_int64(st, 3);
	e->install_ended = sqlite3_column_int(st, 4);
}

/* Of the run of the install: what it left when it ended. */
#define INSTALLED                                                                                  \
	"SELECT (SELECT count(*) FROM change c WHERE c.run=m.run AND c.op='added' AND "            \
	"c.type<>'dir' AND c.path NOT LIKE '/root/Downloads%'), (SELECT count(*) FROM autostart "  \
	"a WHERE a.run=m.run AND a.op='added'), (SELECT count(*) FROM change c WHERE "             \
	"c.run=m.run AND c.path IN ('/etc/passwd','/etc/sudoers')), (SELECT count(*) FROM change " \
	"c WHERE c.run=m.run AND c.op='removed' AND c.type<>'dir'), EXISTS (SELECT 1 FROM mark n " \
	"WHERE n.experiment='install' AND n.run=m.run AND n.step='end') FROM mark m WHERE "        \
	"m.experiment='install' AND m.step='begin' ORDER BY m.seq DESC LIMIT 1"

/* ---- contacts ----------------------------------------------------------------------------- */

static void take_peer(void *ctx, sqlite3_stmt *st)
{
	struct reading *r = ctx;

	if (r->e->npeers < EXAM_PEERS)
		r->e->peer[r->e->npeers++] = exam_text(r->rep, st, 0);
}

static void take_contact(void *ctx, sqlite3_stmt *st)
{
	struct reading *r = ctx;
	struct exam *e = r->e;
	const char *p = sqlite3_column_blob(st, 0);
	struct str peer = { p ? p : "", p ? (size_t)sqlite3_column_bytes(st, 0) : 0 };

	for (int i = 0; i < e->npeers; i++)
		if (str_eq(e->peer[i], peer)) {
			e->contact = vec_grow(e->contact, e->ncontacts, &e->contacts_cap,
					      sizeof(*e->contact));
			e->contact[e->ncontacts++] =
				(struct exam_contact){ .t = (uint64_t)sqlite3_column_int64(st, 1),
						       .seq = (uint64_t)sqlite3_column_int64(st, 2),
						       .run = (uint32_t)sqlite3_column_int64(st, 3),
						       .peer = i };
		}
}

#define PEER   "COALESCE(name, dst) || ' port ' || dst_port"
#define THEIRS "FROM flow WHERE op='begin' AND dst_port<>53 AND proc IN sub "

bool report_of_examination(struct journal_reader *r)
{
	sqlite3_stmt *st = NULL;
	bool is = sqlite3_prepare_v2(journal_db(r),
				     "SELECT 1 FROM mark WHERE experiment IS NOT NULL LIMIT 1", -1,
				     &st, NULL) == SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	sqlite3_finalize(st);
	return is;
}

int exam_make(struct rep *rep, const struct judgement *judged, struct exam **ret, struct err *err)
{
	struct exam *e = xcalloc(1, sizeof(*e));
	struct reading r = { rep, e };
	int rc;

	*ret = NULL;
	e->judged = judged;
	rc = exam_query(rep, MARKS, take_mark, &r, err);
	if (!rc && !e->n) {
		exam_free(e);
		return 0;
	}
	if (!rc && rep->src.columns[EV_CLOCK])
		rc = exam_query(rep, AT_ONCE, take_at_once, &r, err);
	if (!rc)
		rc = exam_query(rep,
				"SELECT experiment FROM mark m WHERE step='look' AND " EXAM_ENDED
				" GROUP BY experiment ORDER BY min(seq)",
				take_looks, &r, err);
	if (!rc && rep->src.columns[EV_RESIDUE])
		rc = exam_query(rep,
				"SELECT experiment, grade, explained IS NOT NULL, count(*), "
				"what='removed' FROM residue GROUP BY 1, 2, 3, 5",
				take_left, &r, err);
	if (!rc)
		rc = exam_query(rep, INSTALLED, take_installed, &r, err);
	if (!rc)
		rc = exam_query(rep,
				EXAM_SUBJECT
				"SELECT " PEER " " THEIRS
				"GROUP BY 1 HAVING count(*) > 2 ORDER BY count(*) DESC",
				take_peer, &r, err);
	if (!rc && e->npeers)
		rc = exam_query(rep,
				EXAM_SUBJECT "SELECT " PEER ", t, seq, run " THEIRS
					     "ORDER BY seq LIMIT 20000",
				take_contact, &r, err);
	if (!rc)
		rc = exam_words(rep, e, err);
	if (rc)
		exam_free(e);
	else
		*ret = e;
	return rc;
}

const char *exam_no_findings(const struct exam *e)
{
	if (!e->judged)
		return "Not judged.";
	for (size_t i = 0; i < e->judged->n; i++)
		if (e->judged->v[i].grade >= GRADE_NOTE)
			return NULL;
	return "No rule found more than a fact.";
}

static void lines_clear(struct lines *ls)
{
	for (size_t i = 0; i < ls->n; i++)
		free(ls->l[i].p);
	free(ls->l);
}

void exam_free(struct exam *e)
{
	if (!e)
		return;
	lines_clear(&e->verdict);
	for (size_t i = 0; i < e->n; i++)
		lines_clear(&e->row[i].acts);
	for (int q = 0; q < QUESTIONS; q++)
		lines_clear(&e->answer[q]);
	free(e->row);
	free(e->contact);
	free(e);
}
