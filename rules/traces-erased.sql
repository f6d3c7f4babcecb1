-- SPDX-License-Identifier: Apache-2.0
-- id: traces-erased
-- title: A program that came later removed what was there, and then itself
-- grade: concern
-- attack: T1070.004
-- sign: erasure
-- needs: 5
-- why: Whoever searches afterwards finds nothing; belljar has kept what was removed.
-- innocent: Uninstallers that the user starts do this; updates remove and write new files in the same go.
-- done: The program was not there when the installer ended, nobody had asked for a removal, and it wrote
--   nothing.
WITH installed AS (
  SELECT COALESCE(min(until), 0) AS seq FROM experiment WHERE experiment = 'install' AND step = 'begin'),
removed AS (
  SELECT f.proc, f.run, f.seq, f.t, f.path FROM file f
  WHERE f.op = 'unlink' AND f.answer IS NOT 'refused' AND f.reason IS NULL AND f.existed IS NOT 0
    AND f.proc IN (SELECT proc FROM subject_process) AND f.path IN (SELECT path FROM subject_file)
    AND NOT EXISTS (SELECT 1 FROM experiment e WHERE e.experiment = 'uninstall' AND e.step = 'begin' AND f.seq > e.seq)),
cleaners AS (
  SELECT r.proc, r.run, count(DISTINCT r.path) AS n, min(r.t) AS t, max(r.t) AS until, group_concat(r.seq) AS evidence,
    group_concat(DISTINCT r.path) AS paths,
    (SELECT q.seq FROM program q WHERE q.proc = r.proc ORDER BY q.seq DESC LIMIT 1) AS start
  FROM removed r GROUP BY r.proc, r.run)
SELECT c.evidence || ',' || c.start || ',' || w.seq AS evidence, c.proc, c.n AS count, p.file AS subject,
  'removed ' || c.n || ' files within ' || CAST((c.until - c.t) / 1000000000 + 1 AS INTEGER) || ' s: ' || c.paths AS detail
FROM cleaners c JOIN program p ON p.seq = c.start JOIN subject_file w ON w.path = p.file
WHERE c.n >= 4 AND c.until - c.t <= 60000000000 AND w.seq > (SELECT seq FROM installed)
  AND EXISTS (SELECT 1 FROM removed r WHERE r.proc = c.proc AND r.path = p.file)
  AND NOT EXISTS (SELECT 1 FROM file f WHERE f.proc = c.proc AND f.op IN ('create', 'write', 'rename') AND f.seq > c.start AND f.reason IS NULL
    AND f.path NOT GLOB '/dev/*')
