-- SPDX-License-Identifier: Apache-2.0
-- id: downloaded-and-run
-- title: What was fetched from the network was written to a file and run
-- grade: concern
-- attack: T1105
-- needs: 3
-- why: The program that runs was not in what was examined: whoever serves it decides what it is.
-- innocent: Updaters do the same; they are registered, signed by the product's vendor, and leave with it.
WITH fetched AS (
  SELECT b.run, b.proc, min(b.seq) AS seq, min(b.t) AS t, b.flow FROM burst b
  WHERE b.dir = 'in' AND b.proc > 0 GROUP BY b.run, b.proc, b.flow),
written AS (
  SELECT w.run, w.proc, w.path, min(w.seq) AS seq, min(w.t) AS t
  FROM (SELECT seq, run, t, proc, op, answer, reason, CASE WHEN op IN ('rename', 'link') THEN path2 ELSE path END AS path FROM file) w
  WHERE w.op IN ('create', 'write', 'rename', 'link') AND w.answer IS NULL AND w.reason IS NULL GROUP BY w.run, w.proc, w.path)
SELECT f.seq || ',' || w.seq || ',' || group_concat(x.seq) AS evidence, w.proc, count(*) AS count,
  w.path AS subject,
  'fetched from ' || COALESCE((SELECT COALESCE(l.name, l.dst) || ' port ' || l.dst_port FROM flow l WHERE l.run = f.run AND l.flow = f.flow LIMIT 1), 'somebody')
    || ', written ' || CAST((w.t - f.t) / 1000000000 AS INTEGER) || ' s later, run ' || CAST((min(x.t) - w.t) / 1000000000 AS INTEGER) || ' s after that' AS detail
FROM fetched f
JOIN written w ON w.run = f.run AND w.proc = f.proc AND w.t >= f.t
JOIN process x ON x.run = w.run AND x.op = 'exec' AND x.t >= w.t AND (x.image = w.path OR x.script = w.path)
GROUP BY f.run, f.proc, w.path
