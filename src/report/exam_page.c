// SPDX-License-Identifier: Apache-2.0
/*
 * exam_page.c - the six questions, answered in words from the record and the findings
 *
 * What is measured comes from the marks and the residue; what needs judgement comes from rules, in
 * their own words. Where nothing was seen the page says so, and does not say that there is nothing.
 */
#include <sqlite3.h>

#include "report/exam_words.h"

struct line *words_next(struct lines *to)
{
	if (to->n < EXAM_ROWS)
		return lines_add(to);
	to->total++;
	return NULL;
}

void words_only(struct words_of *w, const char *words)
{
	line_say(&w->rep->a, lines_add(w->to), "%s", words);
}

static void begin_list(struct words_of *w, const char *words, enum event_kind kind,
		       sqlite3_stmt *st)
{
	w->n = 0;
	w->line = lines_add(w->to);
	line_say(&w->rep->a, w->line, "%s", words);
	line_ref(w->line, kind, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

/* One more of a line that is a list, and how often; those beyond its end are counted. */
static void list_name(struct words_of *w, sqlite3_stmt *st)
{
	if (++w->n > EXAM_LISTED)
		return;
	line_say(&w->rep->a, w->line, w->n == 1 ? "" : ", ");
	line_name(&w->rep->a, w->line, exam_text(w->rep, st, 1));
	if (sqlite3_column_type(st, 2) != SQLITE_NULL)
		line_say(&w->rep->a, w->line, " (%lld)", (long long)sqlite3_column_int64(st, 2));
}

static void end_list(struct words_of *w)
{
	if (w->n > EXAM_LISTED)
		line_say(&w->rep->a, w->line, " and %zu more", w->n - EXAM_LISTED);
}

static int say_list(struct words_of *w, const char *sql, void (*take)(void *, sqlite3_stmt *),
		    struct err *err)
{
	int rc;

	w->line = NULL;
	rc = exam_query(w->rep, sql, take, w, err);
	if (w->line)
		end_list(w);
	return rc;
}

/* ---- what stays --------------------------------------------------------------------------- */

static void take_residue(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);
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
	" AND ((explained IS NULL AND (grade='R1' OR grade='R2')) OR (what='process' AND explained "     \
	"NOT GLOB 'a tool of the system*')) GROUP BY "                                                   \
	"what, path, detail ORDER BY grade, what<>'process', 1"

/* Those that have no line of their own below. */
#define LEFT                                                                                       \
	"SELECT min(seq), path || CASE WHEN max(what='added') THEN '' ELSE ' (was there, has "     \
	"changed)' END, NULL FROM residue WHERE experiment=" LAST_LOOK                             \
	" AND explained IS NULL AND grade IN ('R3','R4','R5') AND what<>'removed' GROUP BY path "  \
	"ORDER BY min(grade), 1"

static void take_left(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;

	if (!w->line)
		begin_list(w, "Files and folders that it leaves: ", EV_RESIDUE, st);
	list_name(w, st);
}

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
	struct line *l = words_next(w->to);

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
	line_say(
		&w->rep->a, l,
		install ? "%s Questions, if it asked any, were not answered: it had no terminal. What "
			  "follows says little about the program"
			: "%s What is left may be left for that reason",
		said.n && said.p[said.n - 1] == '.' ? "" : ".");
	line_say(&w->rep->a, l, ".");
	line_ref(l, EV_MARK, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

/* The last outcome of each, as examine's marks say it: they stand where the process's own end may
 * not be on record yet. */
#define FAILED                                                                                     \
	"SELECT seq, experiment, CASE WHEN detail GLOB 'ended with status *' THEN "                \
	"CAST(substr(detail, 19) AS INTEGER) END, CASE WHEN detail GLOB 'ended by signal *' THEN " \
	"CAST(substr(detail, 17) AS INTEGER) END, (SELECT substr(p.detail, 15) FROM mark p WHERE " \
	"p.experiment=m.experiment AND p.run=m.run AND p.seq>m.seq AND p.step='act' AND "          \
	"p.detail GLOB 'printed last: *') FROM mark m WHERE experiment IN "                        \
	"('install','uninstall') AND step='act' AND (detail GLOB 'ended by signal [0-9]*' OR "     \
	"detail GLOB 'ended with status [1-9]*' OR detail='could not be started') AND NOT EXISTS " \
	"(SELECT 1 FROM mark n WHERE n.experiment=m.experiment AND n.run=m.run AND n.seq>m.seq "   \
	"AND n.step='act' AND n.detail GLOB 'ended *') ORDER BY seq"

static void take_not_run(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);
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

static void take_offered(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;

	if (!w->line)
		begin_list(w,
			   "Services that came with it and that nothing started here, so that what "
			   "they do is not on record: ",
			   EV_AUTOSTART, st);
	list_name(w, st);
}

/* One for each program (a service can have other names), but for those that ran for another reason;
 * no patterns for services (NAME@.service). */
#define OFFERED                                                                                    \
	"SELECT min(seq), max(place), NULL FROM autostart a WHERE op='added' AND "                 \
	"class='systemd-system' AND place GLOB '*/system/*.service' AND place NOT GLOB "           \
	"'*.wants/*' AND place NOT GLOB '*@.service' AND program IS NOT NULL AND NOT EXISTS "      \
	"(SELECT 1 FROM autostart s WHERE s.op='started' AND s.place=a.place) AND NOT EXISTS "     \
	"(SELECT 1 FROM process p WHERE p.op='exec' AND a.program IN (p.image, p.script)) AND "    \
	"EXISTS (SELECT 1 FROM mark m WHERE m.experiment='restart' AND m.step='end') GROUP BY "    \
	"program ORDER BY 1"

static void take_entry(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);

	if (!l)
		return;
	line_name(&w->rep->a, l, exam_text(w->rep, st, 1));
	line_say(&w->rep->a, l, " starts by itself: ");
	line_name(&w->rep->a, l, exam_text(w->rep, st, 2));
	line_ref(l, EV_AUTOSTART, (uint64_t)sqlite3_column_int64(st, 0), 0);
}

/* Those that start a program and are still there at the end of the last run. */
#define ENTRIES                                                                                     \
	"SELECT min(seq), place, COALESCE(command, name) FROM autostart a WHERE op IN "             \
	"('added','changed') AND program IS NOT NULL AND writer IS NOT 0 AND NOT EXISTS (SELECT 1 " \
	"FROM autostart r WHERE r.place=a.place AND r.op='removed' AND r.seq>a.seq) GROUP BY 2, 3 " \
	"ORDER BY 1"

/* What came is still there: how much of it, and what starts by itself. */
static int say_not_removed(struct words_of *w, struct err *err)
{
	const struct exam *e = w->e;
	cleanup_buf struct buf b = { 0 };
	int rc;

	words_only(w,
		   e->n && !e->row[e->n - 1].end_seq
			   ? "It was not removed: the examination ended before."
			   : "It was not removed, for no command for that was found: --uninstall "
			     "names one. All that it brought is there.");
	if (e->install_ended) {
		put_count(&b, e->installed_files, "file", "files");
		line_say(&w->rep->a, lines_add(w->to), "Its install brought %s%s.",
			 e->installed_files ? buf_z(&b) : "no file",
			 e->installed_users ? ", and changed who has an account" : "");
		if (e->installed_gone)
			line_say(&w->rep->a, lines_add(w->to),
				 "Of the files that were there before, %llu %s gone.",
				 (unsigned long long)e->installed_gone,
				 e->installed_gone == 1 ? "is" : "are");
	}
	rc = exam_query(w->rep, ENTRIES, take_entry, w, err);
	words_findings(w, Q_STAYS);
	return rc;
}

static int say_stays(struct words_of *w, struct err *err)
{
	int rc = exam_query(w->rep, FAILED, take_failed, w, err);

	if (!rc)
		rc = exam_query(w->rep, NOT_RUN, take_not_run, w, err);
	if (!rc)
		rc = say_list(w, OFFERED, take_offered, err);
	if (rc)
		return rc;
	if (!w->e->nlooks)
		return say_not_removed(w, err);
	say_counts(w, w->e->nlooks - 1);
	rc = say_list(w, LEFT, take_left, err);
	if (!rc)
		rc = say_packages(w, err);
	if (!rc)
		rc = exam_query(w->rep, RESIDUE, take_residue, w, err);
	words_findings(w, Q_STAYS);
	return rc;
}

/* ---- who it talks to ---------------------------------------------------------------------- */

static void take_peer(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);
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

/* by: a process that has executed nothing runs its parent's program */
#define PEERS                                                                                      \
	EXAM_SUBJECT                                                                               \
	"SELECT min(seq), COALESCE(name, dst), dst_port, count(*), "                               \
	"group_concat(DISTINCT answer), (SELECT app FROM flow x WHERE x.op='end' AND "             \
	"x.run=f.run AND x.flow=f.flow), (WITH RECURSIVE up(proc, n, before) AS (SELECT f.proc, "  \
	"0, f.seq UNION ALL SELECT p.parent, n+1, p.seq FROM up JOIN process p ON p.proc=up.proc " \
	"AND p.op='fork' WHERE n<16) SELECT COALESCE(p.script, p.image) FROM up JOIN process p "   \
	"ON p.proc=up.proc AND p.op='exec' AND p.seq<up.before ORDER BY n, p.seq DESC LIMIT 1) "   \
	"FROM "                                                                                    \
	"flow f WHERE op='begin' AND dst_port<>53 AND proc IN sub GROUP BY 2, 3 ORDER BY 4 DESC"

static void take_server(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;

	if (!w->line)
		begin_list(w,
			   "Name servers of its own choice, in whose place the box's own answered, "
			   "and how often: ",
			   EV_FLOW, st);
	list_name(w, st);
}

/* All questions to port 53 are the gate's resolver's, whomever they are for (src/gate/inside/). */
#define SERVERS                                                                                    \
	EXAM_SUBJECT                                                                               \
	"SELECT min(seq), dst, count(*) FROM flow WHERE op='begin' AND dst_port=53 AND "           \
	"dst<>'10.0.2.3' AND proc IN sub GROUP BY 2 ORDER BY 3 DESC, 1"

static void take_asked(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;

	if (!w->line)
		begin_list(w,
			   "Names that it asked for, and how often, without a connection there: ",
			   EV_DNS, st);
	list_name(w, st);
}

/* A name without a dot is this machine's or its network's; say_took() tells of the former. */
#define ASKED                                                                                      \
	EXAM_SUBJECT                                                                               \
	"SELECT min(seq), rtrim(name, '.') AS asked, count(*) FROM dns WHERE op='query' AND proc " \
	"IN sub AND instr(rtrim(name, '.'), '.')>0 AND rtrim(name, '.') NOT IN (SELECT name FROM " \
	"flow WHERE op='begin' AND name IS NOT NULL) GROUP BY 2 ORDER BY 3 DESC, 1"

static int say_talks(struct words_of *w, struct err *err)
{
	int rc = exam_query(w->rep, PEERS, take_peer, w, err);

	if (!rc)
		rc = say_list(w, SERVERS, take_server, err);
	if (!rc)
		rc = say_list(w, ASKED, take_asked, err);
	if (!rc && !w->to->total)
		words_only(w, "It was not seen to talk to anybody outside of the machine.");
	return rc;
}

/* ---- what it took along ------------------------------------------------------------------- */

static void take_canary(void *ctx, sqlite3_stmt *st)
{
	struct words_of *w = ctx;
	struct line *l = words_next(w->to);
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
		words_only(w, "None of the values that exist only on this machine was seen in what "
			      "it sent.");
	return rc;
}

int exam_words(struct rep *rep, struct exam *e, struct err *err)
{
	struct words_of w = { rep, e, &e->answer[Q_STAYS] };
	int rc = say_stays(&w, err);

	w.to = &e->answer[Q_TALKS];
	if (!rc)
		rc = say_talks(&w, err);
	words_findings(&w, Q_TALKS);
	w.to = &e->answer[Q_CONTROL];
	words_findings(&w, Q_CONTROL);
	if (!w.to->total)
		words_only(&w, e->judged ? "No sign was seen that somebody outside can make it do "
					   "things."
					 : "Not judged.");
	w.to = &e->answer[Q_DEFENDS];
	if (!rc)
		rc = words_defend(&w, err);
	w.to = &e->answer[Q_TOOK];
	if (!rc)
		rc = say_took(&w, err);
	words_findings(&w, Q_TOOK);
	w.to = &e->answer[Q_ASK];
	words_ask(&w);
	w.to = &e->verdict;
	words_verdict(&w);
	return rc;
}
