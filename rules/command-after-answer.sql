-- SPDX-License-Identifier: Apache-2.0
-- id: command-after-answer
-- title: A program started others right after a server had answered it, again and again
-- grade: concern
-- attack: T1059,T1105
-- sign: control
-- needs: 4
-- why: Whoever answers decides what runs on this machine: remote control.
-- innocent: Updates and declared remote management work in the same way; then the vendor says so.
-- done: At least two answers, and at least half of all that this process got, were followed by a new
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
  SELECT a.seq AS answer, min(s.seq) AS start, a.run, a.proc, a.flow, s.image FROM answers a
  JOIN starts s ON s.run = a.run AND s.parent = a.proc AND s.t BETWEEN a.t AND a.t + 2000000000
  GROUP BY a.seq),
told AS (
  SELECT run, proc, max(flow) AS flow, group_concat(answer || ',' || start) AS evidence, count(*) AS n,
    group_concat(DISTINCT image) AS images
  FROM pairs GROUP BY run, proc HAVING count(*) >= 2
    AND 2 * count(*) >= (SELECT count(*) FROM answers a WHERE a.run = pairs.run AND a.proc = pairs.proc))
SELECT t.evidence, t.proc, t.n AS count,
  COALESCE((SELECT x.image FROM process x WHERE x.proc = t.proc AND x.op = 'exec' ORDER BY x.seq DESC LIMIT 1), 'a program') AS subject,
  'started ' || t.images || ' after answers of ' ||
  COALESCE((SELECT COALESCE(f.name, f.dst) || ' port ' || f.dst_port FROM flow f WHERE f.run = t.run AND f.flow = t.flow LIMIT 1), 'somebody') AS detail
FROM told t
