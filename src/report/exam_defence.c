// SPDX-License-Identifier: Apache-2.0
/*
 * exam_defence.c - how it defends itself, as measured: what came back after it was killed or
 * deleted
 */
#include <sqlite3.h>

#include "report/exam_words.h"

#define GONE_NAMES 8 /* on a line of what did not come back */

/** struct revival - kills of one program, and how often it came back */
struct revival {
	struct str path;
	uint64_t kills, backs, min, max, seq;
	uint32_t by; /* who started it, the last time */
	uint64_t by_seq;
};
struct revivals {
	struct rep *rep;
	struct revival v[64];
	size_t n;
};

#define KILLS                                                                                      \
	"SELECT m.seq, m.path, m.t, e.seq, e.t, (SELECT f.parent FROM process f WHERE "            \
	"f.proc=e.proc AND f.op='fork') FROM (SELECT k.*, COALESCE((SELECT min(n.seq) FROM mark "  \
	"n WHERE n.seq>k.seq AND n.experiment IS NOT NULL), 9223372036854775807) AS stop FROM "    \
	"mark k WHERE k.experiment='kill' AND k.step='act' AND k.detail IS NULL AND k.target IS "  \
	"NOT NULL) m LEFT JOIN process e ON e.seq=(SELECT min(x.seq) FROM process x WHERE "        \
	"x.run=m.run AND x.op='exec' AND x.seq>m.seq AND x.seq<m.stop AND x.cause IS NULL AND "    \
	"COALESCE(x.script, x.image)=m.path) ORDER BY m.seq"

static void take_kill(void *ctx, sqlite3_stmt *st)
{
	struct revivals *r = ctx;
	struct str path = exam_text(r->rep, st, 1);
	struct revival *v = NULL;
	uint64_t after;

	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->v[i].path, path))
			v = &r->v[i];
	if (!v && r->n == ARRAY_SIZE(r->v))
		return;
	if (!v) {
		v = &r->v[r->n++];
		*v = (struct revival){ .path = path,
				       .min = UINT64_MAX,
				       .seq = (uint64_t)sqlite3_column_int64(st, 0) };
	}
	v->kills++;
	if (sqlite3_column_type(st, 3) == SQLITE_NULL)
		return;
	v->backs++;
	after = (uint64_t)(sqlite3_column_int64(st, 4) - sqlite3_column_int64(st, 2));
	v->min = after < v->min ? after : v->min;
	v->max = after > v->max ? after : v->max;
	v->by = (uint32_t)sqlite3_column_int64(st, 5);
	v->by_seq = (uint64_t)sqlite3_column_int64(st, 3);
}

static void say_revival(struct words_of *w, const struct revival *v)
{
	struct line *l = words_next(w->to);
	cleanup_buf struct buf b = { 0 };

	if (!l)
		return;
	put_duration(&b, v->max);
	line_name(&w->rep->a, l, v->path);
	line_say(&w->rep->a, l,
		 " was killed %llu time%s and came back %llu time%s, within %s, started by ",
		 (unsigned long long)v->kills, v->kills == 1 ? "" : "s",
		 (unsigned long long)v->backs, v->backs == 1 ? "" : "s", buf_z(&b));
	line_name(&w->rep->a, l, procs_image(&w->rep->procs, v->by, v->by_seq));
	line_ref(l, EV_MARK, v->seq, v->kills - 1);
}

/** struct gone - a line that grows: what was killed and did not come back. No other line may be
 * added meanwhile */
struct gone {
	struct words_of *w;
	const char *begin;
	struct line *l;
	uint64_t seq, more, names;
};

static void say_gone(struct gone *g, struct str path, uint64_t seq, uint64_t marks)
{
	if (!g->names++) {
		g->l = words_next(g->w->to);
		g->seq = seq;
		g->more = marks - 1;
		if (g->l)
			line_say(&g->w->rep->a, g->l, "%s", g->begin);
	} else {
		g->more += marks;
	}
	if (!g->l || g->names > GONE_NAMES)
		return;
	line_say(&g->w->rep->a, g->l, g->names > 1 ? ", " : " ");
	line_name(&g->w->rep->a, g->l, path);
}

static void end_gone(struct gone *g)
{
	if (!g->l)
		return;
	if (g->names > GONE_NAMES)
		line_say(&g->w->rep->a, g->l, " and %llu more",
			 (unsigned long long)(g->names - GONE_NAMES));
	line_ref(g->l, EV_MARK, g->seq, g->more);
}

/* Examine starts what a manager would start, but does not watch over it. */
static void say_no_manager(struct words_of *w)
{
	const struct start_rows *rows = &w->rep->start[ST_START];

	for (size_t i = 0; i < rows->n; i++)
		if (str_eq(rows->r[i].op, STR("started")) &&
		    str_eq(rows->r[i].class, STR("systemd-system"))) {
			words_only(
				w,
				"A service manager would start again what its unit says (Restart=); "
				"here nobody did.");
			return;
		}
}

/* All were killed, and later cron and timers were played: what of it ran again by that, through
 * which entry */
#define BY_ENTRY                                                                                     \
	"SELECT m.seq, m.path, (WITH RECURSIVE up(proc, n) AS (SELECT e.proc, 0 UNION ALL SELECT "   \
	"f.parent, n + 1 FROM up JOIN process f ON f.proc=up.proc AND f.op='fork' WHERE n < 16) "    \
	"SELECT substr(c.cause, instr(c.cause, ' ') + 1) FROM up JOIN process c ON "                 \
	"c.proc=up.proc AND c.op='exec' AND c.seq>m.seq AND c.cause LIKE '% /%' LIMIT 1) AS by "     \
	"FROM mark m JOIN mark stop ON stop.seq=(SELECT min(n.seq) FROM mark n WHERE n.seq>m.seq "   \
	"AND n.experiment='kill-all' AND n.step='end') JOIN process e ON e.seq=(SELECT min(x.seq)"   \
	" FROM process x WHERE x.run=m.run AND x.op='exec' AND x.seq>m.seq AND x.seq<stop.seq "      \
	"AND COALESCE(x.script, x.image)=m.path) WHERE m.experiment='kill-all' AND "                 \
	"m.step='act' AND m.detail IS NULL AND m.target IS NOT NULL AND by IS NOT NULL AND (m.path " \
	"NOT LIKE '/usr/bin/%' OR e.command_line LIKE '% /%') "                                      \
	"GROUP BY m.path ORDER BY m.seq"

static void take_by_entry(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);

	if (!l)
		return;
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(&w->rep->a, l,
		 " was killed with all the rest, and what cron or a timer runs brought it back: ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 2));
	line_ref(l, EV_MARK, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

/** struct deletions - files that were taken away and stayed away */
struct deletions {
	struct words_of *w;
	uint64_t files, first, marks;
	struct str example;
};

static void take_deleted(void *ctx, sqlite3_stmt *st)
{
	struct deletions *d = ctx;
	struct words_of *w = d->w;
	uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 2);
	uint64_t backs = (uint64_t)sqlite3_column_int64(st, 3);
	struct line *l;

	if (!backs) {
		if (!d->files++) {
			d->first = seq;
			d->example = exam_text(w->rep, st, 1);
		}
		d->marks += n;
		return;
	}
	l = words_next(w->to);
	if (!l)
		return;
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(&w->rep->a, l, " was deleted %llu time%s and came back %llu time%s",
		 (unsigned long long)n, n == 1 ? "" : "s", (unsigned long long)backs,
		 backs == 1 ? "" : "s");
	line_ref(l, EV_MARK, seq, n - 1);
}

static void say_stayed_away(const struct deletions *d)
{
	struct words_of *w = d->w;
	struct line *l = d->files ? words_next(w->to) : NULL;

	if (!l)
		return;
	line_name(&w->rep->a, l, d->example);
	if (d->files > 1)
		line_say(&w->rep->a, l,
			 " and %llu more of its files (programs, and what starts them)",
			 (unsigned long long)d->files - 1);
	line_say(&w->rep->a, l, " %s deleted and did not come back", d->files > 1 ? "were" : "was");
	line_ref(l, EV_MARK, d->first, d->marks - 1);
}

/* belljar put back what nobody else had brought back, where it was killed in a later run; or could
 * not, and says so */
#define DELETED                                                                                      \
	"WITH taken AS (SELECT * FROM mark WHERE experiment IN ('delete','autostart-off') AND "      \
	"step='act' AND path IS NOT NULL AND (detail IS NULL OR (detail NOT LIKE '%put back%' AND "  \
	"detail<>'started again'))) SELECT min(seq), path, count(*), sum(put IS NULL) FROM (SELECT " \
	"m.seq, m.path, (SELECT min(p.seq) FROM mark p WHERE p.seq>m.seq AND "                       \
	"p.experiment=m.experiment AND p.path=m.path AND p.detail LIKE '%put back%' AND NOT EXISTS " \
	"(SELECT 1 FROM taken a WHERE a.experiment=m.experiment AND a.path=m.path AND a.seq>m.seq "  \
	"AND a.seq<p.seq)) AS put FROM taken m WHERE EXISTS (SELECT 1 FROM mark e WHERE "            \
	"e.experiment=m.experiment AND e.step='end')) GROUP BY path ORDER BY 4 DESC, 1"

int words_defend(struct words_of *w, struct err *err)
{
	struct gone killed = { .w = w, .begin = "Killed, and did not come back:" };
	struct revivals *r = xcalloc(1, sizeof(*r));
	struct deletions gone = { .w = w };
	int rc;

	words_findings(w, Q_DEFENDS);
	r->rep = w->rep;
	rc = exam_query(w->rep, KILLS, take_kill, r, err);
	for (size_t i = 0; i < r->n && !rc; i++)
		if (r->v[i].backs)
			say_revival(w, &r->v[i]);
	if (!rc)
		rc = exam_query(w->rep, BY_ENTRY, take_by_entry, w, err);
	for (size_t i = 0; i < r->n && !rc; i++)
		if (!r->v[i].backs)
			say_gone(&killed, r->v[i].path, r->v[i].seq, r->v[i].kills);
	end_gone(&killed);
	if (killed.names)
		say_no_manager(w);
	free(r);
	if (!rc)
		rc = exam_query(w->rep, DELETED, take_deleted, &gone, err);
	say_stayed_away(&gone);
	if (!rc && !w->to->total)
		words_only(w, "Nothing of it lived long enough to be killed, or was there to be "
			      "deleted.");
	return rc;
}
