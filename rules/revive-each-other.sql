-- SPDX-License-Identifier: Apache-2.0
-- id: revive-each-other
-- title: Two programs guard each other: whichever is ended, the other one starts it again
-- grade: concern
-- attack: T1543
-- sign: revives
-- needs: 8
-- why: It cannot be ended by ending a process; whoever wrote it did not want it to be ended.
-- innocent: Service managers and supervisors start their workers again. They do it in one direction,
--   and nobody does it for them but the system.
-- done: Each of the two was killed by belljar at least twice, in both directions, and each time the
--   process that started it again descends from the other one.
WITH RECURSIVE acts AS (
  SELECT e.seq, e.run, e.t, e.until, e.until_t, p.file, p.command_line, e.target AS proc FROM experiment e
  JOIN program p ON p.seq = (SELECT r.program FROM became r WHERE r.proc = e.target AND r.since < e.seq ORDER BY r.since DESC LIMIT 1)
  WHERE e.experiment = 'kill' AND e.step = 'act' AND e.detail IS NULL AND e.target IS NOT NULL),
again AS (
  SELECT a.seq AS act, a.t AS act_t, a.file, a.command_line, min(p.seq) AS start, p.proc, p.t FROM acts a
  JOIN program p ON p.run = a.run AND p.seq > a.seq AND p.seq < a.until AND p.file = a.file AND p.command_line IS a.command_line
  WHERE p.proc <> a.proc AND p.cause IS NULL
    AND NOT EXISTS (SELECT 1 FROM program q WHERE q.proc = p.proc AND q.cause IS NOT NULL)
  GROUP BY a.seq),
climb(act, start, proc, born) AS (
  SELECT g.act, g.start, l.parent, (SELECT born FROM life x WHERE x.proc = l.parent) FROM again g JOIN life l ON l.proc = g.proc
  UNION SELECT c.act, c.start, l.parent, (SELECT born FROM life x WHERE x.proc = l.parent) FROM climb c JOIN life l ON l.proc = c.proc
  WHERE c.born > c.act),
done AS (
  SELECT g.act, g.start, g.file, g.command_line, g.t - g.act_t AS after, c.proc AS starter, p.file AS by_file, p.command_line AS by_command
  FROM again g JOIN climb c ON c.act = g.act AND c.born < c.act
  JOIN program p ON p.seq = (SELECT r.program FROM became r WHERE r.proc = c.proc AND r.since < g.start ORDER BY r.since DESC LIMIT 1)
  WHERE c.proc IN (SELECT proc FROM subject_process)),
pairs AS (
  SELECT file, command_line, by_file, by_command, count(*) AS n, max(starter) AS starter, max(after) AS after,
    group_concat(act || ',' || start) AS evidence
  FROM done GROUP BY file, command_line, by_file, by_command)
SELECT a.evidence || ',' || b.evidence AS evidence, a.starter AS proc, a.n + b.n AS count,
  a.file || ' and ' || CASE WHEN b.file = a.file THEN COALESCE(b.command_line, b.file) ELSE b.file END AS subject,
  COALESCE(a.command_line, a.file) || ' was started again ' || a.n || ' times, ' || COALESCE(b.command_line, b.file) || ' ' || b.n
    || ' times, within ' || CAST(max(a.after, b.after) / 1000000000 AS INTEGER) || ' s at most'
    || CASE WHEN (SELECT min(sha256) FROM program WHERE file = a.file) = (SELECT min(sha256) FROM program WHERE file = b.file) AND a.file <> b.file
       THEN '; they are copies of one program' ELSE '' END AS detail
FROM pairs a JOIN pairs b ON b.file IS a.by_file AND b.command_line IS a.by_command AND a.file IS b.by_file AND a.command_line IS b.by_command
WHERE a.n >= 2 AND b.n >= 2 AND (a.file, COALESCE(a.command_line, '')) < (b.file, COALESCE(b.command_line, ''))
