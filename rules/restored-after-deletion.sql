-- SPDX-License-Identifier: Apache-2.0
-- id: restored-after-deletion
-- title: A deleted program was brought back and run again
-- grade: concern
-- attack: T1105,T1554
-- sign: restores
-- needs: 3
-- why: Removing the file does not remove the program; somebody watches over it.
-- innocent: Package managers repair from a local cache, and updaters restore what is registered with
--   them and leave when it is removed.
-- done: The file was deleted by belljar, its processes were ended, and nobody used the box. A file that
--   came from the network with the very same bytes is told from one that was copied.
WITH acts AS (
  SELECT seq, run, t, path, sha256,
    -- what cron and a service manager would do meanwhile has marks of its own, without a path
    COALESCE((SELECT min(n.seq) FROM experiment n WHERE n.run = e.run AND n.seq > e.seq AND (n.path IS NOT NULL OR n.step <> 'act')),
      9223372036854775807) AS until
  FROM experiment e WHERE experiment = 'delete' AND step = 'act' AND detail IS NULL AND path IS NOT NULL),
written AS (
  SELECT a.seq AS act, a.run, a.t AS act_t, a.until, a.path, a.sha256, f.proc, min(f.seq) AS seq, min(f.t) AS t FROM acts a
  JOIN file f ON f.run = a.run AND f.seq > a.seq AND f.seq < a.until
    AND ((f.op IN ('create', 'write') AND f.path = a.path) OR (f.op IN ('rename', 'link', 'symlink') AND f.path2 = a.path))
  WHERE f.answer IS NOT 'refused' AND f.reason IS NULL AND f.proc IN (SELECT proc FROM subject_process)
  GROUP BY a.seq, f.proc),
back AS (
  SELECT w.*,
    (SELECT min(p.seq) FROM program p WHERE p.run = w.run AND p.file = w.path AND p.seq > w.seq AND p.seq < w.until AND p.cause IS NULL
      AND NOT EXISTS (SELECT 1 FROM program q WHERE q.proc = p.proc AND q.cause IS NOT NULL)) AS start,
    (SELECT max(b.seq) FROM arrival b WHERE b.run = w.run AND b.proc = w.proc AND b.t BETWEEN w.act_t AND w.t) AS fetch
  FROM written w)
SELECT b.act || ',' || b.seq || COALESCE(',' || b.fetch, '') || COALESCE(',' || b.start, '') AS evidence, b.proc,
  b.path AS subject,
  CASE WHEN b.fetch IS NULL THEN 'written again' ELSE 'fetched from ' || COALESCE(
    (SELECT COALESCE(l.name, l.dst) || ' port ' || l.dst_port FROM flow l WHERE l.run = b.run AND l.op = 'begin'
      AND l.flow = (SELECT flow FROM burst x WHERE x.seq = b.fetch) LIMIT 1), 'somebody') || ' and written again' END
    || ' after ' || CAST((b.t - b.act_t) / 1000000000 AS INTEGER) || ' s by '
    || COALESCE((SELECT p.file FROM became r JOIN program p ON p.seq = r.program WHERE r.proc = b.proc AND r.since < b.seq ORDER BY r.since DESC LIMIT 1), 'a program')
    || CASE WHEN b.start IS NULL THEN ', not run' WHEN p.sha256 = b.sha256 THEN ', and run: the same bytes' ELSE ', and run: other bytes' END AS detail,
  CASE WHEN b.fetch IS NOT NULL AND b.start IS NOT NULL THEN 'concern' ELSE 'note' END AS grade
FROM back b LEFT JOIN program p ON p.seq = b.start
