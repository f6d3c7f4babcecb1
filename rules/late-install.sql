-- SPDX-License-Identifier: Apache-2.0
-- id: late-install
-- title: Long after the installer had ended, something more was fetched and run
-- grade: concern
-- attack: T1105,T1497.003
-- sign: late-install
-- needs: 4
-- why: What is examined when it is installed is not what runs later; who waits, waits until nobody looks.
-- innocent: Updaters fetch and run things too; they are registered, and what they bring leaves with the
--   product.
-- done: Nobody used the box, belljar had not deleted the file, and after the product's removal it was
--   looked whether what was brought runs on.
WITH installed AS (
  SELECT i.run, i.until AS seq, min(i.until_t + 600000000000, COALESCE(s.until_t, 9223372036854775807)) AS t FROM experiment i
  LEFT JOIN experiment s ON s.run = i.run AND s.experiment = 'settle' AND s.step = 'begin'
  WHERE i.experiment = 'install' AND i.step = 'begin'),
written AS MATERIALIZED (
  SELECT w.* FROM written_program w WHERE w.proc IN (SELECT proc FROM subject_process)
    AND NOT EXISTS (SELECT 1 FROM experiment e WHERE e.experiment = 'delete' AND e.step = 'act' AND e.path = w.path
      AND w.seq > e.seq AND w.seq < e.until)),
late AS (
  SELECT i.seq AS installed, w.*,
    CASE WHEN w.run = i.run THEN w.t - (SELECT t FROM experiment WHERE seq = i.seq) END AS after
  FROM written w JOIN installed i ON w.run > i.run OR (w.run = i.run AND w.t >= i.t)),
run_by AS (
  SELECT l.*, min(p.seq) AS start, p.sha256, p.proc AS started FROM late l
  JOIN program p ON p.run = l.run AND p.file = l.path AND p.seq > l.seq WHERE l.fetch IS NOT NULL
  GROUP BY l.path)
SELECT r.installed || ',' || r.fetch || ',' || r.seq || ',' || r.start AS evidence, r.proc, r.path AS subject,
  'fetched from ' || COALESCE((SELECT COALESCE(l.name, l.dst) || ' port ' || l.dst_port FROM flow l WHERE l.run = r.run AND l.op = 'begin'
      AND l.flow = (SELECT flow FROM burst x WHERE x.seq = r.fetch) LIMIT 1), 'somebody')
    || CASE WHEN r.after IS NULL THEN ' after a restart' ELSE ' ' || CAST(r.after / 60000000000 AS INTEGER) || ' minutes after the install' END
    || ', run; SHA-256 ' || COALESCE(r.sha256, 'unknown') AS detail,
  CASE WHEN EXISTS (SELECT 1 FROM program p JOIN became b ON b.program = p.seq JOIN life l ON l.proc = b.proc
      JOIN experiment e ON e.experiment = 'uninstall' AND e.step = 'begin'
      WHERE p.file = r.path AND (b.since > e.until OR (p.run = e.run AND COALESCE(l.died, 9223372036854775807) > e.until)))
    THEN 'concern' ELSE 'note' END AS grade
FROM run_by r
