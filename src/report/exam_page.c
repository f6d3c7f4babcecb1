// SPDX-License-Identifier: Apache-2.0
/*
 * exam_page.c - the six questions, answered in words from the record and the findings
 *
 * What is measured comes from the marks and the residue; what needs judgement comes from rules, in
 * their own words. Where nothing was seen the page says so, and does not say that there is nothing.
 */
#include <sqlite3.h>

#include "report/exam.h"

#define GONE_NAMES 8 /* on a line of what did not come back */

struct words_of {
	struct rep *rep;
	struct exam *e;
	struct lines *to;
	struct line *line; /* that is being made of several rows, and how many */
	size_t n;
};

/* The next line under a question; NULL when there are enough, which is counted. */
static struct line *next(struct lines *to)
{
	if (to->n < EXAM_ROWS)
		return lines_add(to);
	to->total++;
	return NULL;
}

static void say_only(struct words_of *w, const char *words)
{
	line_say(&w->rep->a, lines_add(w->to), "%s", words);
}

/* ---- what stays --------------------------------------------------------------------------- */

static void take_residue(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = next(w->to);
	struct str what = exam_text(w->rep, st, 1);
	struct str detail = exam_text(w->rep, st, 3), explained = exam_text(w->rep, st, 4);

	if (!l)
		return;
	line_name(&w->rep->a, l, exam_text(w->rep, st, 2));
	line_say(&w->rep->a, l,
		 str_eq(what, STR("process"))	  ? " still runs"
		 : str_eq(what, STR("autostart")) ? " starts by itself: "
		 : str_eq(exam_text(w->rep, st, 5), STR("R1"))
			 ? " gives its rights to whoever starts it"
		 : str_eq(what, STR("added")) ? " was added: users, names or trust of the machine"
		 : str_eq(what, STR("removed"))
			 ? " was removed: users, names or trust of the machine"
			 : " was changed: users, names or trust of the machine");
	if (str_eq(what, STR("autostart")))
		line_name(&w->rep->a, l, detail);
	if (explained.n) {
		line_say(&w->rep->a, l, "; ");
		line_name(&w->rep->a, l, explained);
	}
	line_ref(l, EV_RESIDUE, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

#define LAST_LOOK                                                                                  \
	"(SELECT experiment FROM mark m WHERE step='look' AND " EXAM_ENDED                         \
	" ORDER BY seq DESC LIMIT 1)"
#define RESIDUE                                                                                          \
	"SELECT min(seq), what, path, detail, explained, grade FROM residue WHERE experiment=" LAST_LOOK \
	" AND ((explained IS NULL AND (grade='R1' OR grade='R2')) OR what='process') GROUP BY "          \
	"what, path, detail ORDER BY grade, what<>'process', 1"

/* The words are examine's: "part of the package NAME, which is still installed". */
#define PACKAGES                                                                                   \
	"SELECT DISTINCT substr(explained, 21, instr(explained, ', which') - 21) FROM residue "    \
	"WHERE experiment=" LAST_LOOK                                                              \
	" AND explained GLOB 'part of the package ?*, which*' ORDER "                              \
	"BY 1"

static void take_package(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;

	if (w->n++ == 0)
		w->line = lines_add(w->to);
	if (w->n > EXAM_ROWS)
		return;
	line_say(&w->rep->a, w->line,
		 w->n == 1 ? "Packages that came along with it are still installed: " : ", ");
	line_name(&w->rep->a, w->line, exam_text(w->rep, st, 0));
}

static int say_packages(struct words_of *w, struct err *err)
{
	int rc;

	w->n = 0;
	rc = exam_query(w->rep, PACKAGES, take_package, w, err);
	if (!rc && w->n > EXAM_ROWS)
		line_say(&w->rep->a, w->line, " and %zu more", w->n - EXAM_ROWS);
	return rc;
}

static void say_counts(struct words_of *w, size_t look)
{
	static const char *const names[EXAM_GRADES][2] = {
		{ "thing that runs or starts by itself", "things that run or start by themselves" },
		{ "change of trust", "changes of trust" },
		{ "file with code", "files with code" },
		{ "file with data", "files with data" },
		{ "folder", "folders" },
		{ "trace", "traces" },
	};
	const struct exam *e = w->e;
	struct buf b = { 0 };
	uint64_t why = 0;
	bool any = false;

	for (int g = 0; g < EXAM_GRADES; g++) {
		uint64_t n = e->left[look][g];

		why += e->explained[look][g];
		if (!n)
			continue;
		buf_puts(&b, any ? ", " : "");
		put_count(&b, n, names[g][0], names[g][1]);
		any = true;
	}
	line_say(&w->rep->a, lines_add(w->to), "At the last look: %s%s.",
		 any ? buf_z(&b) : "nothing that it brought", any ? " of it" : "");
	buf_free(&b);
	if (e->gone[look]) {
		put_count(&b, e->gone[look], "file that was there before it came is",
			  "files that were there before it came are");
		line_say(&w->rep->a, lines_add(w->to), "%s gone.", buf_z(&b));
		buf_free(&b);
	}
	if (!why)
		return;
	put_count(&b, why, "more thing is", "more things are");
	line_say(&w->rep->a, lines_add(w->to),
		 "%s left by the system's own rules, and not held against it.", buf_z(&b));
	buf_free(&b);
}

static void take_failed(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	bool install = str_eq(exam_text(w->rep, st, 1), STR("install"));
	struct str said = exam_text(w->rep, st, 4);
	struct line *l = next(w->to);

	w->e->install_failed |= install;
	if (!l)
		return;
	line_say(&w->rep->a, l,
		 install ? "THE INSTALLER DID NOT SUCCEED: it "
			 : "THE REMOVAL DID NOT SUCCEED: it ");
	if (sqlite3_column_type(st, 3) != SQLITE_NULL)
		line_say(&w->rep->a, l, "ended by signal %d", sqlite3_column_int(st, 3));
	else if (sqlite3_column_type(st, 2) != SQLITE_NULL)
		line_say(&w->rep->a, l, "ended with status %d", sqlite3_column_int(st, 2));
	else
		line_say(&w->rep->a, l, "could not be started");
	if (said.n) {
		line_say(&w->rep->a, l, "; it printed last: ");
		line_name(&w->rep->a, l, said);
	}
	line_say(&w->rep->a, l,
		 install ? ". What follows says little about the program"
			 : ". What is left may be left for that reason");
	line_say(&w->rep->a, l, ".");
	line_ref(l, EV_MARK, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

/* As examine's marks say it: they stand where the process's own end may not be on record yet. */
#define FAILED                                                                                     \
	"SELECT seq, experiment, CASE WHEN detail GLOB 'ended with status *' THEN "                \
	"CAST(substr(detail, 19) AS INTEGER) END, CASE WHEN detail GLOB 'ended by signal *' THEN " \
	"CAST(substr(detail, 17) AS INTEGER) END, (SELECT substr(p.detail, 15) FROM mark p WHERE " \
	"p.experiment=m.experiment AND p.run=m.run AND p.seq>m.seq AND p.step='act' AND "          \
	"p.detail GLOB 'printed last: *') FROM mark m WHERE experiment IN "                        \
	"('install','uninstall') AND step='act' AND (detail GLOB 'ended by signal [0-9]*' OR "     \
	"detail GLOB 'ended with status [1-9]*' OR detail='could not be started') ORDER BY seq"

static void take_not_run(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = next(w->to);
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 3);
	cleanup_buf struct buf b = { 0 };

	if (!l)
		return;
	put_duration(&b, (uint64_t)sqlite3_column_int64(st, 4));
	line_say(&w->rep->a, l, "A SERVICE OF IT DID NOT RUN: ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(
		&w->rep->a, l,
		" was started %llu time%s and ended with status %d, within %s. What it would do is "
		"not on record.",
		(unsigned long long)n, n == 1 ? "" : "s", sqlite3_column_int(st, 2), buf_z(&b));
	line_ref(l, EV_PROCESS, (uint64_t)sqlite3_column_int64(st, 0), n - 1);
}

/* Started by an entry of a service, and each time it failed within a minute: of the box's refusal,
 * or because it needs what is not there. */
#define NOT_RUN                                                                                     \
	"WITH service AS (SELECT e.seq, e.t, e.proc, e.cause FROM process e WHERE e.op='exec' AND " \
	"(e.cause GLOB 'systemd-system *' OR e.cause GLOB 'init.d *') AND e.cause NOT GLOB "        \
	"'* Exec[A-Z]*'), ended AS (SELECT s.*, x.t-s.t AS life, x.exit_status FROM service s "     \
	"LEFT JOIN process x ON x.proc=s.proc AND x.op='exit') SELECT min(d.seq), (SELECT "         \
	"COALESCE(p.script, p.image) FROM process p WHERE p.proc=d.proc AND p.op='exec' ORDER BY "  \
	"p.seq DESC LIMIT 1), max(exit_status), count(*), max(life) FROM ended d GROUP BY cause "   \
	"HAVING min(COALESCE(exit_status, 0))>0 AND max(life)<60000000000 ORDER BY 1"

static int say_stays(struct words_of *w, struct err *err)
{
	int rc = exam_query(w->rep, FAILED, take_failed, w, err);

	if (!rc)
		rc = exam_query(w->rep, NOT_RUN, take_not_run, w, err);
	if (rc)
		return rc;
	if (!w->e->nlooks) {
		say_only(w, "It was not removed: no command for it was known, or the examination "
			    "ended before.");
		return 0;
	}
	say_counts(w, w->e->nlooks - 1);
	rc = say_packages(w, err);
	return rc ? rc : exam_query(w->rep, RESIDUE, take_residue, w, err);
}

/* ---- who it talks to ---------------------------------------------------------------------- */

static void take_peer(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = next(w->to);
	struct str answers = exam_text(w->rep, st, 4), app = exam_text(w->rep, st, 5);
	struct str by = exam_text(w->rep, st, 6);
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 3);

	if (!l)
		return;
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(&w->rep->a, l, ", port %lld%s", (long long)sqlite3_column_int64(st, 2),
		 app.n ? " (" : "");
	if (app.n) {
		line_name(&w->rep->a, l, app);
		line_say(&w->rep->a, l, ")");
	}
	line_say(&w->rep->a, l, ": %llu time%s; ", (unsigned long long)n, n == 1 ? "" : "s");
	line_say(&w->rep->a, l,
		 str_eq(answers, STR("sinkhole"))  ? "not reached, the sinkhole answered"
		 : str_eq(answers, STR("allowed")) ? "reached"
		 : str_eq(answers, STR("refused")) ? "refused"
						   : "reached or not, by the policy");
	if (by.n) {
		line_say(&w->rep->a, l, "; by ");
		line_name(&w->rep->a, l, by);
	}
	line_ref(l, EV_FLOW, (uint64_t)sqlite3_column_int64(st, 0), n - 1);
}

#define PEERS                                                                                      \
	EXAM_SUBJECT                                                                               \
	"SELECT min(seq), COALESCE(name, dst), dst_port, count(*), "                               \
	"group_concat(DISTINCT answer), (SELECT app FROM flow x WHERE x.op='end' AND "             \
	"x.run=f.run AND x.flow=f.flow), (SELECT COALESCE(p.script, p.image) FROM process p "      \
	"WHERE p.proc=f.proc AND p.op='exec' AND p.seq<f.seq ORDER BY p.seq DESC LIMIT 1) FROM "   \
	"flow f WHERE op='begin' AND dst_port<>53 AND proc IN sub GROUP BY 2, 3 ORDER BY 4 DESC"

static int say_talks(struct words_of *w, struct err *err)
{
	int rc = exam_query(w->rep, PEERS, take_peer, w, err);

	if (!rc && !w->to->total)
		say_only(w, "It was not seen to talk to anybody outside of the machine.");
	return rc;
}

/* ---- findings under their question -------------------------------------------------------- */

static const struct {
	const char *rule;
	enum exam_question under;
	const char *ask; /* NULL: the general question */
} rules[] = {
	{ "command-after-answer", Q_CONTROL,
	  "Who can make this software run programs, by which server, and how is that server's "
	  "answer checked?" },
	{ "downloaded-and-run", Q_CONTROL,
	  "Which programs does it fetch and run, who signs them, and is the signature checked?" },
	{ "late-install", Q_CONTROL,
	  "What is installed after the installer has ended, why later, and why is it not told?" },
	{ "second-updater", Q_CONTROL, "Why is there a second updater, and who runs its server?" },
	{ "second-signer", Q_CONTROL, "Who is the other signer, and what is his part?" },
	{ "elevation-unasked", Q_CONTROL, "Why does a user's program become root without asking?" },
	{ "steered-by-names", Q_CONTROL,
	  "Why does an answer of the name service decide what is fetched?" },
	{ "answers-steer", Q_CONTROL,
	  "Why does an answer of the name service decide what is fetched?" },
	{ "set-id-added", Q_CONTROL, NULL },
	{ "listens", Q_CONTROL, NULL },
	{ "guards-opened", Q_CONTROL, NULL },
	{ "trust-anchor-added", Q_CONTROL,
	  "Whose certificates does it add, and who holds their keys?" },
	{ "users-added", Q_CONTROL, NULL },
	{ "name-service-changed", Q_CONTROL, "Why are names led elsewhere?" },
	{ "proxy-changed", Q_CONTROL, "Why is the traffic of other programs led through a proxy?" },
	{ "revive-each-other", Q_DEFENDS,
	  "Why do two programs guard each other, and how are they ended?" },
	{ "restored-after-deletion", Q_DEFENDS,
	  "Why does a deleted program come back, and from where?" },
	{ "survives-uninstall", Q_DEFENDS, "How is all of it removed?" },
	{ "traces-erased", Q_DEFENDS, "What was removed later, on whose order, and why?" },
	{ "deletes-itself", Q_DEFENDS, NULL },
	{ "logs-wiped", Q_DEFENDS, NULL },
	{ "time-stamps-forged", Q_DEFENDS, "Why do new files get old dates?" },
	{ "executable-named-as-data", Q_DEFENDS, "Why is a program named like a picture or data?" },
	{ "names-vary", Q_DEFENDS, NULL },
	{ "packed-program", Q_DEFENDS, NULL },
	{ "looks-for-watchers", Q_DEFENDS, NULL },
	{ "tries-walls", Q_DEFENDS, NULL },
	{ "fileless-execution", Q_DEFENDS, NULL },
	{ "updates-disabled", Q_DEFENDS, NULL },
	{ "firewall-changed", Q_DEFENDS, NULL },
	{ "random-after-regular", Q_TALKS, "What are the contacts for, and why at random times?" },
	{ "regular-contacts", Q_TALKS, "What are the regular contacts for?" },
	{ "unusual-protocol", Q_TALKS, NULL },
	{ "planted-values-sent", Q_TOOK,
	  "Which data of the machine are sent, to whom, and for what?" },
	{ "passwords-sent", Q_TOOK, "Why are keys and passwords sent?" },
	{ "listens-to-keys", Q_TOOK, NULL },
	{ "takes-pictures", Q_TOOK, NULL },
	{ "behaves-by-identity", Q_CONTROL, "Who gets which behaviour, and who decides it?" },
	{ "copies-differ", Q_CONTROL,
	  "Why do customers get different programs under one version?" },
};

static int rule_at(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strcmp(rules[i].rule, id))
			return (int)i;
	return -1;
}

/* How many more of its rule and grade follow: they come sorted by both. */
static size_t alike(const struct judgement *v, size_t i)
{
	size_t n = 0;

	while (i + n + 1 < v->n && v->v[i + n + 1].grade == v->v[i].grade &&
	       !strcmp(v->v[i + n + 1].rule, v->v[i].rule))
		n++;
	return n;
}

/* Evidence of a finding: its first event, and how many more there are. */
static void refer(struct words_of *w, struct line *l, const struct finding *f)
{
	if (f->nseqs)
		line_ref(l, source_kind(&w->rep->src, f->seqs[0]), f->seqs[0], f->nseqs - 1);
}

/* Hashes are for those who look at the finding itself. */
static struct str without_hash(struct str s)
{
	static const char hash[] = "; SHA-256";
	const char *at = s.n ? memmem(s.p, s.n, hash, sizeof(hash) - 1) : NULL;

	return at ? (struct str){ s.p, (size_t)(at - s.p) } : s;
}

static void say_finding(struct words_of *w, const struct finding *f, size_t more)
{
	struct line *l = next(w->to);

	if (!l)
		return;
	line_say(&w->rep->a, l, "%s: %s", grade_name(f->grade), f->title);
	if (f->subject.n) {
		line_say(&w->rep->a, l, ": ");
		line_name(&w->rep->a, l, f->subject);
	}
	if (f->detail.n) {
		line_say(&w->rep->a, l, ", ");
		line_name(&w->rep->a, l, without_hash(f->detail));
	}
	if (more)
		line_say(&w->rep->a, l, "; and %zu more like it", more);
	refer(w, l, f);
}

/* By the same rule, with a higher grade: they come sorted by grade. */
static bool said_graver(const struct judgement *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (v->v[k].grade > v->v[i].grade && !strcmp(v->v[k].rule, v->v[i].rule))
			return true;
	return false;
}

static void say_findings(struct words_of *w, enum exam_question q)
{
	const struct judgement *v = w->e->judged;

	for (size_t i = 0; v && i < v->n; i++) {
		int at = rule_at(v->v[i].rule);

		if (at < 0 || rules[at].under != q || v->v[i].grade < GRADE_NOTE ||
		    said_graver(v, i))
			continue;
		say_finding(w, &v->v[i], alike(v, i));
		i += alike(v, i);
	}
}

static bool asked(const struct judgement *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(v->v[k].rule, v->v[i].rule))
			return true;
	return false;
}

static void say_ask(struct words_of *w)
{
	const struct judgement *v = w->e->judged;

	for (size_t i = 0; v && i < v->n; i++) {
		const struct finding *f = &v->v[i];
		int at = rule_at(f->rule);
		struct line *l;

		if (f->grade < GRADE_CONCERN || asked(v, i) ||
		    (at < 0 && !strcmp(f->rule, "several-signs")))
			continue;
		l = next(w->to);
		if (!l)
			continue;
		if (at >= 0 && rules[at].ask) {
			line_say(&w->rep->a, l, "%s ", rules[at].ask);
		} else {
			line_say(&w->rep->a, l, "What is the reason for this: %s? ", f->title);
		}
		if (f->subject.n) {
			line_say(&w->rep->a, l, "(");
			line_name(&w->rep->a, l, f->subject);
			line_say(&w->rep->a, l, ")");
		}
		refer(w, l, f);
	}
	if (!w->to->total)
		say_only(w, "Nothing that was seen asks for an answer.");
}

/* ---- how it defends itself: measured ------------------------------------------------------ */

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
	struct line *l = next(w->to);
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
		g->l = next(g->w->to);
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
	l = next(w->to);
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
	struct line *l = d->files ? next(w->to) : NULL;

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

/* belljar put back what nobody else had brought back */
#define DELETED                                                                                     \
	"SELECT min(seq), path, count(*), sum(put IS NULL) FROM (SELECT m.seq, m.path, (SELECT "    \
	"min(p.seq) FROM mark p WHERE p.run=m.run AND p.seq>m.seq AND p.experiment=m.experiment "   \
	"AND p.path=m.path AND p.detail='put back') AS put FROM mark m WHERE m.experiment IN "      \
	"('delete','autostart-off') AND m.step='act' AND m.path IS NOT NULL AND (m.detail IS NULL " \
	"OR m.detail NOT IN ('put back','started again')) AND EXISTS (SELECT 1 FROM mark e WHERE "  \
	"e.experiment=m.experiment AND e.step='end')) GROUP BY path ORDER BY 4 DESC, 1"

static int say_defends(struct words_of *w, struct err *err)
{
	struct gone killed = { .w = w, .begin = "Killed, and did not come back:" };
	struct revivals *r = xcalloc(1, sizeof(*r));
	struct deletions gone = { .w = w };
	int rc;

	say_findings(w, Q_DEFENDS);
	r->rep = w->rep;
	rc = exam_query(w->rep, KILLS, take_kill, r, err);
	for (size_t i = 0; i < r->n && !rc; i++)
		if (r->v[i].backs)
			say_revival(w, &r->v[i]);
	for (size_t i = 0; i < r->n && !rc; i++)
		if (!r->v[i].backs)
			say_gone(&killed, r->v[i].path, r->v[i].seq, r->v[i].kills);
	end_gone(&killed);
	free(r);
	if (!rc)
		rc = exam_query(w->rep, DELETED, take_deleted, &gone, err);
	say_stayed_away(&gone);
	if (!rc && !w->to->total)
		say_only(w, "Nothing of it lived long enough to be killed, or was there to be "
			    "deleted.");
	return rc;
}

/* ---- what it took along ------------------------------------------------------------------- */

static void take_canary(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = next(w->to);
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 5);

	if (!l)
		return;
	if (sqlite3_column_int(st, 6)) {
		line_say(&w->rep->a, l,
			 "It asked the name service for this machine's own name, %llu time%s",
			 (unsigned long long)n, n == 1 ? "" : "s");
		line_ref(l, EV_CANARY, (uint64_t)sqlite3_column_int64(st, 0), n - 1);
		return;
	}
	line_say(&w->rep->a, l, "the value of ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(&w->rep->a, l, " (as ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 2));
	line_say(&w->rep->a, l, ") to ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 3));
	line_say(&w->rep->a, l, ", port %lld, %llu time%s", (long long)sqlite3_column_int64(st, 4),
		 (unsigned long long)n, n == 1 ? "" : "s");
	line_ref(l, EV_CANARY, (uint64_t)sqlite3_column_int64(st, 0), n - 1);
}

#define CANARIES                                                                                   \
	"WITH own AS (SELECT run, flow FROM dns WHERE op='query' GROUP BY run, flow HAVING "       \
	"max(instr(name, '.'))=0) SELECT min(c.seq), c.value, c.encoding, COALESCE(f.name, "       \
	"f.dst), f.dst_port, count(*), c.value='hostname' AND o.flow IS NOT NULL AS own_name "     \
	"FROM canary c LEFT JOIN flow f ON f.run=c.run AND f.flow=c.flow AND f.op='begin' LEFT "   \
	"JOIN own o ON o.run=c.run AND o.flow=c.flow GROUP BY 2, 3, 4, 5, own_name ORDER BY 1"

static int say_took(struct words_of *w, struct err *err)
{
	int rc = exam_query(w->rep, CANARIES, take_canary, w, err);

	if (!rc && !w->to->total)
		say_only(w, "None of the values that exist only on this machine was seen in what "
			    "it sent.");
	return rc;
}

/* ---- before all ---------------------------------------------------------------------------- */

static void say_verdict(struct words_of *w)
{
	const struct judgement *v = w->e->judged;
	size_t n[GRADE_FINDING + 1] = { 0 };
	cleanup_buf struct buf b = { 0 };

	if (!v)
		return;
	/* a rule counts once: how often it was broken says little */
	for (size_t i = 0; i < v->n; i++)
		n[v->v[i].grade] += !asked(v, i);
	put_count(&b, n[GRADE_CONCERN], "sign was", "signs were");
	if (n[GRADE_FINDING]) {
		say_only(
			w,
			"This software does more than it says: independent signs of different kinds "
			"agree.");
		line_say(&w->rep->a, lines_add(w->to),
			 "In all %s seen that ask for an answer from its vendor.", buf_z(&b));
	} else if (n[GRADE_CONCERN]) {
		line_say(
			&w->rep->a, lines_add(w->to),
			"%s seen that ask%s for an answer from its vendor. None is proof by itself.",
			buf_z(&b), n[GRADE_CONCERN] == 1 ? "s" : "");
	} else {
		say_only(
			w,
			"Nothing was seen that asks for an answer from its vendor. That tells what it "
			"did here, and not what it may do elsewhere or later.");
	}
	say_only(
		w,
		"How to read this: a concern asks for an answer, a note has an everyday explanation as "
		"often as not. A # and a number is the event in the record that a line stands on. The "
		"sinkhole is belljar's stand-in for the Internet: it answers, and nothing gets out.");
}

int exam_words(struct rep *rep, struct exam *e, struct err *err)
{
	struct words_of w = { rep, e, &e->answer[Q_STAYS] };
	int rc = say_stays(&w, err);

	w.to = &e->answer[Q_TALKS];
	if (!rc)
		rc = say_talks(&w, err);
	say_findings(&w, Q_TALKS);
	w.to = &e->answer[Q_CONTROL];
	say_findings(&w, Q_CONTROL);
	if (!w.to->total)
		say_only(&w, e->judged ? "No sign was seen that somebody outside can make it do "
					 "things."
				       : "Not judged.");
	w.to = &e->answer[Q_DEFENDS];
	if (!rc)
		rc = say_defends(&w, err);
	w.to = &e->answer[Q_TOOK];
	if (!rc)
		rc = say_took(&w, err);
	say_findings(&w, Q_TOOK);
	w.to = &e->answer[Q_ASK];
	say_ask(&w);
	w.to = &e->verdict;
	say_verdict(&w);
	return rc;
}
