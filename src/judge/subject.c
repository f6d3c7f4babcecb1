// SPDX-License-Identifier: Apache-2.0
/*
 * subject.c - tables that many rules share: lives of processes, whose they are, experiments, signs
 *
 * They are made once for a judgement, as temporary tables in memory beside the journal's (which
 * cannot be written), so that a rule need not find out again who descends from the installer.
 * doc/RULES.md has their columns.
 */
#include <sqlite3.h>

#include "judge/inner.h"

#define FOREVER		"9223372036854775807"
#define FLOWS_LOOKED_AT "100" /* the last of a process, for each file */
#define PAIRS_LOOKED_AT                                                                            \
	"20000" /* of files and flows, the nearest first: a millisecond for some                   \
		 */

/* Are the bytes of the file among those that came? 1, 0 (all is kept and is readable, and they are
 * not), NULL: cannot be said. */
#define LOOK                                                                                          \
	"INSERT INTO looked"                                                                          \
	" WITH asked AS MATERIALIZED (SELECT f.path, f.proc, f.run, f.by, f.until, w.sha256,"         \
	"   (SELECT max(nr) FROM arrived a WHERE a.proc = f.by AND a.run = f.run AND a.t <= f.until)" \
	"   AS nr FROM fetcher f JOIN written_program w USING (path, proc, run)"                      \
	"  WHERE w.fetch IS NULL AND w.sha256 IS NOT NULL),"                                          \
	" pair AS MATERIALIZED (SELECT q.path, q.proc, q.run, a.flow, q.sha256"                       \
	"  FROM asked q JOIN arrived a ON a.proc = q.by AND a.run = q.run"                            \
	"   AND a.nr > q.nr - " FLOWS_LOOKED_AT " AND a.nr <= q.nr WHERE NOT EXISTS"                  \
	"   (SELECT 1 FROM looked k WHERE k.path = q.path AND k.proc = q.proc AND k.run = q.run"      \
	"    AND k.flow = a.flow) GROUP BY q.path, q.proc, q.run, a.flow"                             \
	"  ORDER BY min(q.nr - a.nr), q.path, q.proc, q.run, a.flow LIMIT " PAIRS_LOOKED_AT ")"       \
	" SELECT path, proc, run, flow, (SELECT CASE WHEN max(x) = 1 THEN 1"                          \
	"   WHEN max(x) = 0 AND count(x) = count(*) AND min(part) = 'whole' THEN 0 END"               \
	"  FROM (SELECT came_in(k.sha256, p.sha256) AS x, k.part FROM kept k"                         \
	"   WHERE k.run = p.run AND k.flow = p.flow)) FROM pair p"

/* The last bytes that can be the file's, by the bytes themselves where they are there, else by
 * their number: 50 is more than programs can be compressed. */
#define CHOOSE                                                                                               \
	"UPDATE written_program SET (fetch, same) = (SELECT a.seq, 1 FROM fetcher f"                         \
	"  JOIN looked k USING (path, proc, run) JOIN arrival a ON a.proc = f.by AND a.run = f.run"          \
	"  AND a.flow = k.flow WHERE f.path = written_program.path AND f.proc = written_program.proc"        \
	"  AND f.run = written_program.run AND k.held = 1 AND a.t <= f.until"                                \
	"  ORDER BY a.t DESC, a.seq DESC LIMIT 1)"                                                           \
	" WHERE fetch IS NULL AND (path, proc, run) IN (SELECT path, proc, run FROM looked"                  \
	"  WHERE held = 1)",                                                                                 \
		"UPDATE fetcher SET bytes = (SELECT a.upto FROM arrival a WHERE a.proc = fetcher.by"         \
		"  AND a.run = fetcher.run AND a.t <= fetcher.until ORDER BY a.t DESC, a.seq DESC LIMIT 1)"  \
		" - (SELECT COALESCE(sum(a.bytes), 0) FROM looked k CROSS JOIN arrival a ON a.flow = k.flow" \
		"  AND a.run = k.run AND a.proc = fetcher.by AND a.t <= fetcher.until"                       \
		"  WHERE k.path = fetcher.path AND k.proc = fetcher.proc AND k.run = fetcher.run"            \
		"  AND k.held = 0),"                                                                         \
		" last = (SELECT a.seq FROM arrival a WHERE a.proc = fetcher.by AND a.run = fetcher.run"     \
		"  AND a.t <= fetcher.until AND NOT EXISTS (SELECT 1 FROM looked k"                          \
		"   WHERE k.path = fetcher.path AND k.proc = fetcher.proc AND k.run = fetcher.run"           \
		"   AND k.flow = a.flow AND k.held = 0) ORDER BY a.t DESC, a.seq DESC LIMIT 1)"              \
		" WHERE NOT sure AND (path, proc, run) IN (SELECT path, proc, run FROM written_program"      \
		"  WHERE fetch IS NULL)",                                                                    \
		"UPDATE written_program SET fetch = (SELECT a.seq FROM fetcher f JOIN arrival a"             \
		"  ON a.seq = f.last WHERE NOT f.sure"                                                       \
		"  AND f.path = written_program.path AND f.proc = written_program.proc"                      \
		"  AND f.run = written_program.run AND 50 * f.bytes >= COALESCE(written_program.size, 0)"    \
		"  ORDER BY a.t DESC, a.seq DESC LIMIT 1)"                                                   \
		" WHERE fetch IS NULL AND (path, proc, run) IN (SELECT path, proc, run FROM fetcher"         \
		"  WHERE NOT sure)"

static const char *const statements[] = {
	/* the network's three large tables again, in front of the journal's own, with the indexes
	 * that rules need: those of the journal cannot be made */
	"CREATE TEMP TABLE flow AS SELECT * FROM main.flow",
	"CREATE INDEX temp.flow_flow ON flow(flow, run)",
	"CREATE INDEX temp.flow_seq ON flow(seq)",
	"CREATE TEMP TABLE burst AS SELECT * FROM main.burst",
	"CREATE INDEX temp.burst_proc ON burst(proc, t)",
	"CREATE INDEX temp.burst_seq ON burst(seq)",
	"CREATE TEMP TABLE dns AS SELECT * FROM main.dns",
	"CREATE INDEX temp.dns_proc ON dns(proc, t)",
	"CREATE INDEX temp.dns_seq ON dns(seq)",
	/* every program that a process became */
	"CREATE TEMP TABLE program(seq INTEGER PRIMARY KEY, run, t, proc, file, image, command_line,"
	" sha256, uid, cause)",
	"INSERT INTO program SELECT seq, run, t, proc, COALESCE(script, image), image, command_line,"
	" COALESCE(script_sha256, sha256), uid, cause FROM process WHERE op = 'exec'",
	"CREATE INDEX temp.program_proc ON program(proc)",
	"CREATE INDEX temp.program_file ON program(file)",
	"CREATE INDEX temp.program_image ON program(image)",
	/* files that ran, and who wrote them under that name; the first time */
	"CREATE TEMP TABLE sized(sha256 PRIMARY KEY, size) WITHOUT ROWID",
	"INSERT INTO sized SELECT sha256, min(size) FROM object WHERE sha256 IS NOT NULL GROUP BY sha256",
	"CREATE TEMP TABLE written_program(path, proc, run, seq, t, fetch, same, sha256, size,"
	" PRIMARY KEY(path, proc, run)) WITHOUT ROWID",
	"INSERT INTO written_program SELECT path, proc, run, min(seq), min(t), NULL, NULL, NULL, NULL FROM ("
	"  SELECT CASE WHEN op IN ('rename', 'link') THEN path2 ELSE path END AS path, proc, run, seq, t"
	"  FROM file WHERE op IN ('create', 'write', 'rename', 'link')"
	"   AND answer IS NOT 'refused' AND reason IS NULL)"
	" WHERE path IN (SELECT file FROM program UNION SELECT image FROM program)"
	" GROUP BY path, proc, run",
	"CREATE INDEX temp.written_program_proc ON written_program(proc, run)",
	"UPDATE written_program SET sha256 = (SELECT p.sha256 FROM program p WHERE p.file = written_program.path"
	" AND p.seq > written_program.seq ORDER BY p.seq LIMIT 1)",
	"UPDATE written_program SET size = (SELECT size FROM sized s WHERE s.sha256 = written_program.sha256)",
	/* bytes from the network that can be a file's: not those of a handshake with the sinkhole,
	 * in which nothing was asked for */
	"CREATE TEMP TABLE arrival(seq INTEGER PRIMARY KEY, run, t, proc, flow, bytes, upto)",
	"INSERT INTO arrival SELECT seq, run, t, proc, flow, bytes,"
	" sum(bytes) OVER (PARTITION BY proc, run ORDER BY t, seq) FROM burst b"
	" WHERE dir = 'in' AND NOT EXISTS (SELECT 1 FROM flow f WHERE f.run = b.run AND f.flow = b.flow"
	"  AND f.op = 'end' AND f.answer = 'sinkhole' AND f.app = 'tls' AND f.bytes_in < 8192 AND NOT EXISTS"
	"  (SELECT 1 FROM http h WHERE h.run = f.run AND h.flow = f.flow))",
	"CREATE INDEX temp.arrival_proc ON arrival(proc, run, t, seq)",
	"CREATE INDEX temp.arrival_flow ON arrival(flow, run, proc, t)",
	"CREATE TEMP TABLE arrived(proc, run, nr, t, flow, PRIMARY KEY(proc, run, nr)) WITHOUT ROWID",
	"INSERT INTO arrived SELECT proc, run, row_number() OVER (PARTITION BY proc, run ORDER BY min(t),"
	" flow), min(t), flow FROM arrival WHERE proc > 0 GROUP BY proc, run, flow",
	/* what is kept of them, without TLS where it could be read */
	"CREATE TEMP TABLE kept AS SELECT run, flow, part, sha256 FROM content WHERE dir = 'in' AND"
	" (tls = 1 OR (run, flow) NOT IN (SELECT run, flow FROM content WHERE dir = 'in' AND tls = 1))",
	"CREATE INDEX temp.kept_flow ON kept(flow, run)",
	/* one row a process */
	"CREATE TEMP TABLE life(proc INTEGER PRIMARY KEY, run, parent, born, born_t, died, died_t)",
	"INSERT INTO life SELECT proc, min(run), max(parent) FILTER (WHERE op = 'fork'), min(seq), min(t),"
	" max(seq) FILTER (WHERE op = 'exit'), max(t) FILTER (WHERE op = 'exit')"
	" FROM process WHERE proc > 0 GROUP BY proc",
	"CREATE INDEX temp.life_parent ON life(parent)",
	/* what a process runs: a program that it became, or that of whom it is a copy, as daemons
	 * are */
	"CREATE TEMP TABLE became(proc, since, program, PRIMARY KEY(proc, since)) WITHOUT ROWID",
	"INSERT INTO became SELECT proc, seq, seq FROM program WHERE proc > 0",
	"INSERT OR IGNORE INTO became"
	" WITH RECURSIVE up(proc, born, of, before) AS ("
	"  SELECT l.proc, l.born, l.parent, l.born FROM life l"
	"  WHERE NOT EXISTS (SELECT 1 FROM program p WHERE p.proc = l.proc)"
	"  UNION SELECT u.proc, u.born, l.parent, l.born FROM up u JOIN life l ON l.proc = u.of"
	"  WHERE NOT EXISTS (SELECT 1 FROM program p WHERE p.proc = u.of AND p.seq < u.before))"
	" SELECT u.proc, u.born, max(p.seq) FROM up u JOIN program p ON p.proc = u.of"
	"  AND p.seq < u.before GROUP BY u.proc",
	/* who can have fetched the file for whom wrote it, until when. At first: itself */
	"CREATE TEMP TABLE fetcher(path, proc, run, by, until, sure, bytes, last,"
	" PRIMARY KEY(path, proc, run, by))"
	" WITHOUT ROWID",
	"CREATE TEMP TABLE looked(path, proc, run, flow, held, PRIMARY KEY(path, proc, run, flow))"
	" WITHOUT ROWID",
	"INSERT INTO fetcher SELECT path, proc, run, proc, t, 0, NULL, NULL FROM written_program"
	" WHERE proc IN (SELECT proc FROM arrived)",
	LOOK,
	CHOOSE,
	/* what a tool fetched for somebody: whoever wrote the program moved the tool's file there,
	 * or named it, or worked beside it (a pipe); or it kept the file open while bytes came */
	"CREATE TEMP TABLE fetched AS SELECT path, proc, run, min(seq) AS seq FROM file"
	" WHERE op IN ('create', 'write') AND proc IN (SELECT proc FROM arrival)"
	" AND answer IS NOT 'refused' AND reason IS NULL GROUP BY path, proc, run",
	"CREATE INDEX temp.fetched_path ON fetched(path, run)",
	"CREATE INDEX temp.fetched_proc ON fetched(proc)",
	"CREATE TEMP TABLE unexplained AS SELECT w.path, w.proc, w.run, w.seq, l.parent, l.born,"
	" COALESCE(l.died, " FOREVER
	") AS died, (SELECT min(p.seq) FROM program p WHERE p.file = w.path"
	"  AND p.run = w.run AND p.seq > w.seq) AS start, NULL AS start_t,"
	" (SELECT command_line FROM program p WHERE p.proc = w.proc AND p.seq < w.seq"
	"  ORDER BY p.seq DESC LIMIT 1) AS command_line"
	" FROM written_program w JOIN life l ON l.proc = w.proc WHERE w.fetch IS NULL",
	"DELETE FROM unexplained WHERE start IS NULL",
	"UPDATE unexplained SET start_t = (SELECT t FROM program p WHERE p.seq = start)",
	"INSERT OR REPLACE INTO fetcher"
	" WITH moved AS MATERIALIZED ("
	"  SELECT path, path2, proc, run, seq FROM file WHERE op IN ('rename', 'link')"
	"  AND path2 IN (SELECT path FROM unexplained)),"
	" tool(path, proc, run, by, start_t) AS ("
	"  SELECT path, proc, run, proc, start_t FROM unexplained WHERE died < start"
	"  UNION SELECT u.path, u.proc, u.run, f.proc, u.start_t FROM unexplained u JOIN moved m ON m.path2 = u.path"
	"   AND m.proc = u.proc AND m.run = u.run JOIN fetched f ON f.path = m.path AND f.run = m.run"
	"   AND f.seq < m.seq"
	"  UNION SELECT u.path, u.proc, u.run, l.proc, u.start_t FROM unexplained u JOIN life l ON l.parent ="
	"   u.parent AND l.proc <> u.proc AND l.proc IN (SELECT proc FROM arrival)"
	"   WHERE ((l.born < u.died AND u.born < COALESCE(l.died,"
	"    " FOREVER ")) OR EXISTS (SELECT 1 FROM fetched f WHERE f.proc = l.proc"
	"    AND f.seq < u.seq AND length(base_name(f.path)) > 3"
	"    AND instr(u.command_line, base_name(f.path)))))"
	" SELECT path, proc, run, by, start_t, 0, NULL, NULL FROM tool WHERE by IN (SELECT proc FROM arrived)",
	/* and whom it descends from or has started, when it is these very bytes that came */
	"INSERT OR IGNORE INTO fetcher"
	" WITH RECURSIVE up(path, proc, run, start_t, by, n) AS ("
	"  SELECT path, proc, run, start_t, parent, 1 FROM unexplained WHERE parent > 0"
	"  UNION SELECT u.path, u.proc, u.run, u.start_t, l.parent, u.n + 1 FROM up u JOIN life l"
	"   ON l.proc = u.by WHERE u.n < 4 AND l.parent > 0)"
	" SELECT path, proc, run, by, start_t, 1, NULL, NULL FROM ("
	"  SELECT path, proc, run, by, start_t FROM up UNION SELECT u.path, u.proc, u.run, l.proc, u.start_t"
	"   FROM unexplained u JOIN life l ON l.parent = u.proc)"
	" WHERE by IN (SELECT proc FROM arrived)",
	LOOK,
	CHOOSE,
	/* a copy of what lay there already, and was written by nobody who had got something: that
	 * it came from elsewhere is only one explanation */
	"CREATE TEMP TABLE lay(sha256, path, PRIMARY KEY(sha256, path)) WITHOUT ROWID",
	"INSERT OR IGNORE INTO lay SELECT sha256, path FROM (SELECT sha256, path FROM change"
	"  WHERE op IN ('added', 'changed', 'moved') UNION SELECT sha256, path FROM object"
	"  UNION SELECT sha256, file FROM program UNION SELECT sha256, path FROM module)"
	" WHERE path IS NOT NULL AND sha256 IN (SELECT sha256 FROM written_program"
	"  WHERE fetch IS NOT NULL AND same IS NULL)",
	"CREATE TEMP TABLE touched AS SELECT path, seq, op IN ('unlink', 'rename', 'exchange') AS away, proc"
	" FROM file WHERE op IN ('create', 'write', 'unlink', 'rename', 'exchange', 'truncate')"
	"  AND answer IS NOT 'refused' AND reason IS NULL AND path IN (SELECT path FROM lay)"
	" UNION ALL SELECT path2, seq, 0, proc FROM file WHERE op IN ('link', 'rename', 'exchange')"
	"  AND answer IS NOT 'refused' AND reason IS NULL AND path2 IN (SELECT path FROM lay)",
	"CREATE INDEX temp.touched_path ON touched(path, seq)",
	"UPDATE written_program SET fetch = NULL WHERE fetch IS NOT NULL AND same IS NULL AND EXISTS ("
	" SELECT 1 FROM lay o WHERE o.sha256 = written_program.sha256 AND o.path <> written_program.path"
	"  AND NOT EXISTS (SELECT 1 FROM written_program v WHERE v.path = o.path AND v.fetch IS NOT NULL)"
	"  AND NOT EXISTS (SELECT 1 FROM fetched f WHERE f.path = o.path)"
	"  AND NOT EXISTS (SELECT 1 FROM touched c WHERE c.path = o.path AND (c.proc = written_program.proc"
	"   OR (c.seq < written_program.seq AND c.away)))"
	"  AND NOT EXISTS (SELECT 1 FROM touched c WHERE c.path = o.path AND NOT c.away"
	"   GROUP BY c.path HAVING min(c.seq) > written_program.seq))",
	/* the package manager, and what it starts: scripts of packages, and what those start */
	"CREATE TEMP TABLE package_process(proc INTEGER PRIMARY KEY, run)",
	"INSERT OR IGNORE INTO package_process"
	" WITH RECURSIVE down(proc, run) AS ("
	"  SELECT proc, run FROM program WHERE base_name(file) IN ('dpkg', 'rpm')"
	"  UNION SELECT l.proc, l.run FROM down d JOIN life l ON l.parent = d.proc)"
	" SELECT proc, run FROM down",
	/* who is judged: the installer's, a boot's and a put-back's descendants */
	"CREATE TEMP TABLE subject_process(proc INTEGER PRIMARY KEY, run)",
	"INSERT OR IGNORE INTO subject_process"
	" WITH RECURSIVE down(proc, run) AS ("
	"  SELECT proc, run FROM program WHERE cause IN ('install', 'put-back') OR cause LIKE '% %'"
	"  UNION SELECT l.proc, l.run FROM down d JOIN life l ON l.parent = d.proc)"
	" SELECT proc, run FROM down"
	" WHERE EXISTS (SELECT 1 FROM program WHERE cause = 'install')",
	"INSERT OR IGNORE INTO subject_process SELECT proc, run FROM life"
	" WHERE NOT EXISTS (SELECT 1 FROM program WHERE cause = 'install')",
	/* what they wrote, by name; the first time */
	"CREATE TEMP TABLE subject_file(path PRIMARY KEY, seq, run, t, proc) WITHOUT ROWID",
	"INSERT OR IGNORE INTO subject_file SELECT path, min(seq), run, t, proc FROM ("
	"  SELECT CASE WHEN f.op IN ('rename', 'link', 'exchange') THEN f.path2 ELSE f.path END AS path,"
	"   f.seq, f.run, f.t, f.proc FROM file f JOIN subject_process s ON s.proc = f.proc"
	"  WHERE f.op IN ('create', 'write', 'rename', 'link', 'exchange')"
	"   AND COALESCE(f.answer, '') <> 'refused' AND f.reason IS NULL"
	"  UNION ALL SELECT c.path, c.seq, c.run, c.t, c.writer FROM change c"
	"  JOIN subject_process s ON s.proc = c.writer WHERE c.op IN ('added', 'changed') AND c.type = 'file')"
	" WHERE path IS NOT NULL GROUP BY path",
	/* programs of theirs that somebody else started: the product in use, scripts of its removal
	 */
	"INSERT OR IGNORE INTO subject_process"
	" WITH RECURSIVE down(proc, run) AS ("
	"  SELECT p.proc, p.run FROM program p JOIN subject_file f ON f.path = p.file"
	"  UNION SELECT l.proc, l.run FROM down d JOIN life l ON l.parent = d.proc)"
	" SELECT proc, run FROM down",
	/* marks of examine, each with its end */
	"CREATE TEMP TABLE experiment(seq INTEGER PRIMARY KEY, run, t, experiment, step, target, target2,"
	" path, sha256, detail, until, until_t)",
	"INSERT INTO experiment SELECT m.seq, m.run, m.t, m.experiment, m.step, m.target, m.target2,"
	" m.path, m.sha256, m.detail, e.seq, e.t FROM mark m LEFT JOIN mark e ON e.seq ="
	"  (SELECT min(n.seq) FROM mark n WHERE n.run = m.run AND n.seq > m.seq AND n.experiment IS NOT NULL"
	"   AND CASE m.step WHEN 'begin' THEN n.step = 'end' AND n.experiment = m.experiment"
	"   ELSE n.step IN ('act', 'begin', 'end') END)"
	" WHERE m.experiment IS NOT NULL",
	"UPDATE experiment SET (until, until_t) = (SELECT seq, t FROM run_end r"
	" WHERE r.run = experiment.run) WHERE until IS NULL",
	"UPDATE experiment SET until = 9223372036854775807, until_t = 9223372036854775807"
	" WHERE until IS NULL",
	/* what the rules have found, for those that come after */
	"CREATE TEMP TABLE sign(id INTEGER PRIMARY KEY, rule, sign, grade, title, subject, detail, proc,"
	" attributed)",
	"CREATE TEMP TABLE sign_evidence(id, seq, PRIMARY KEY(id, seq)) WITHOUT ROWID",
};

static int too_late(void *ctx)
{
	return clock_mono_ns() > *(uint64_t *)ctx;
}

int subject_tables(struct sqlite3 *db, struct finds *f, struct err *err)
{
	uint64_t deadline = clock_mono_ns() + SQL_RULE_SECONDS * NSEC_PER_SEC;
	int rc =
		sqlite3_exec(db, "PRAGMA temp_store=MEMORY; PRAGMA query_only=0", NULL, NULL, NULL);
	bool late = false; /* then tables are missing, for later ones as for rules, which say so */

	sqlite3_progress_handler(db, 10000, too_late, &deadline);
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		int one = sqlite3_exec(db, statements[i], NULL, NULL, NULL);

		if (one == SQLITE_INTERRUPT && !late)
			could_not_run(f, "subject", "it took too long");
		late |= one == SQLITE_INTERRUPT;
		if (rc == SQLITE_OK && !late)
			rc = one;
	}
	sqlite3_progress_handler(db, 0, NULL, NULL);
	if (rc != SQLITE_OK)
		rc = err_set_exit(err, EXIT_CORRUPT, EIO, "judge: read the journal (%s)",
				  sqlite3_errmsg(db));
	sqlite3_exec(db, "PRAGMA query_only=1", NULL, NULL, NULL);
	return rc;
}

/* ---- signs -------------------------------------------------------------------------------- */

static void bind(sqlite3_stmt *st, int at, struct str s)
{
	if (s.n)
		sqlite3_bind_text(st, at, s.p, (int)s.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

static void insert(sqlite3_stmt *st, sqlite3_stmt *evidence, const struct finding *x,
		   const char *sign, sqlite3_int64 id)
{
	sqlite3_bind_int64(st, 1, id);
	bind(st, 2, str_z(x->rule));
	bind(st, 3, str_z(sign));
	bind(st, 4, str_z(grade_name(x->grade)));
	bind(st, 5, str_z(x->title));
	bind(st, 6, x->subject);
	bind(st, 7, x->detail);
	sqlite3_bind_int64(st, 8, x->proc);
	sqlite3_step(st);
	sqlite3_reset(st);
	for (size_t i = 0; i < x->nseqs; i++) {
		sqlite3_bind_int64(evidence, 1, id);
		sqlite3_bind_int64(evidence, 2, (sqlite3_int64)x->seqs[i]);
		sqlite3_step(evidence);
		sqlite3_reset(evidence);
	}
}

static const char *sign_of(const struct judge *j, const struct finding *x)
{
	for (size_t i = 0; i < j->nsql; i++)
		if (j->sql[i].id == x->rule)
			return j->sql[i].sign;
	return NULL;
}

int subject_signs(struct sqlite3 *db, const struct judge *j, const struct finds *f)
{
	static const char attribute[] =
		"UPDATE sign SET attributed = proc IN (SELECT proc FROM subject_process) OR EXISTS ("
		"SELECT 1 FROM sign_evidence e WHERE e.id = sign.id AND EXISTS (SELECT 1 FROM events v"
		" WHERE v.seq = e.seq AND v.proc IN (SELECT proc FROM subject_process)))";
	uint64_t deadline = clock_mono_ns() + SQL_RULE_SECONDS * NSEC_PER_SEC;
	sqlite3_stmt *st = NULL, *evidence = NULL;
	size_t n = 0;
	int rc = sqlite3_exec(db, "PRAGMA query_only=0", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "INSERT INTO sign VALUES(?1,?2,?3,?4,?5,?6,?7,?8,0)",
					-1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO sign_evidence VALUES(?1,?2)", -1,
					&evidence, NULL);
	for (size_t i = 0; rc == SQLITE_OK && i < f->n && n < SIGNS_MAX; i++) {
		const char *sign = sign_of(j, &f->v[i]);

		if (sign)
			insert(st, evidence, &f->v[i], sign, (sqlite3_int64)++n);
	}
	sqlite3_finalize(st);
	sqlite3_finalize(evidence);
	sqlite3_progress_handler(db, 10000, too_late, &deadline);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, attribute, NULL, NULL, NULL);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	sqlite3_exec(db, "PRAGMA query_only=1", NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : -EIO;
}
