-- SPDX-License-Identifier: Apache-2.0
-- id: downloaded-and-run
-- title: What was fetched from the network was written to a file and run
-- grade: concern
-- attack: T1105
-- needs: 3
-- why: The program that runs was not in what was examined: whoever serves it decides what it is.
-- innocent: Updaters do the same; they are registered, signed by the product's vendor, and leave with it.
WITH brought AS MATERIALIZED (
  SELECT w.*, (SELECT b.seq FROM burst b WHERE b.proc = w.proc AND b.run = w.run AND b.dir = 'in' AND b.t <= w.t ORDER BY b.t DESC LIMIT 1) AS fetch
  FROM written_program w WHERE w.proc > 0)
SELECT f.seq || ',' || w.seq || ',' || group_concat(x.seq) AS evidence, w.proc, count(*) AS count,
  w.path AS subject,
  'fetched from ' || COALESCE((SELECT COALESCE(l.name, l.dst) || ' port ' || l.dst_port FROM flow l WHERE l.run = f.run AND l.flow = f.flow LIMIT 1), 'somebody')
    || ', written ' || CAST((w.t - f.t) / 1000000000 AS INTEGER) || ' s later, run ' || CAST((min(x.t) - w.t) / 1000000000 AS INTEGER) || ' s after that' AS detail
FROM brought w JOIN burst f ON f.seq = w.fetch
JOIN program x ON x.run = w.run AND x.t >= w.t
  AND x.seq IN (SELECT seq FROM program WHERE file = w.path UNION SELECT seq FROM program WHERE image = w.path)
GROUP BY w.run, w.proc, w.path
