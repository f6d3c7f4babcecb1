-- SPDX-License-Identifier: Apache-2.0
-- id: command-after-answer
-- title: A program started others right after a server had answered it, again and again
-- grade: concern
-- attack: T1059,T1105
-- sign: control
-- needs: 4
-- why: Whoever answers decides what runs on this machine: remote control.
-- innocent: Updates and declared remote management work in the same way; then the vendor says so.
-- done: At least two answers, and at least half of all that this program got from there, were followed by a new
--   program within two seconds. What it had fetched itself is left out: that is an update.
WITH answers AS (
  SELECT b.seq, b.run, b.proc, b.t, b.flow FROM burst b
  WHERE b.dir = 'in' AND b.proc IN (SELECT proc FROM subject_process)),
starts AS (
  SELECT e.seq, e.run, e.t, e.image, f.parent FROM process e
  JOIN process f ON f.proc = e.proc AND f.op = 'fork' AND f.run = e.run
  WHERE e.op = 'exec' AND NOT EXISTS (SELECT 1 FROM file w WHERE w.run = e.run AND w.proc = f.parent AND w.seq < e.seq
    AND w.op IN ('create', 'write', 'rename') AND COALESCE(e.script, e.image) IN (w.path, w.path2))),
pairs AS (
  SELECT max(a.seq) AS answer, s.seq AS start, a.run, a.proc, s.image FROM starts s
  JOIN answers a ON s.run = a.run AND s.parent = a.proc AND s.t BETWEEN a.t AND a.t + 2000000000
  GROUP BY s.seq),
whom AS (
  SELECT p.*, COALESCE(f.name, f.dst) || ' port ' || f.dst_port AS whom FROM pairs p JOIN answers a ON a.seq = p.answer
  LEFT JOIN flow f ON f.run = a.run AND f.flow = a.flow AND f.op = 'begin'),
told AS (
  SELECT (SELECT file FROM program x WHERE x.proc = w.proc ORDER BY x.seq DESC LIMIT 1) AS program, whom, max(proc) AS proc,
    group_concat(answer || ',' || start) AS evidence, count(DISTINCT answer) AS n, group_concat(DISTINCT image) AS images
  FROM whom w GROUP BY program, whom HAVING count(DISTINCT answer) >= 2)
SELECT t.evidence, t.proc, t.n AS count, COALESCE(t.program, 'a program') AS subject,
  'started ' || t.images || ' after answers of ' || COALESCE(t.whom, 'somebody') AS detail
FROM told t WHERE 2 * t.n >= (SELECT count(*) FROM answers a LEFT JOIN flow f ON f.run = a.run AND f.flow = a.flow AND f.op = 'begin'
  WHERE (COALESCE(f.name, f.dst) || ' port ' || f.dst_port) IS t.whom
    AND (SELECT file FROM program x WHERE x.proc = a.proc ORDER BY x.seq DESC LIMIT 1) IS t.program)
