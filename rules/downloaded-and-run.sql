-- SPDX-License-Identifier: Apache-2.0
-- id: downloaded-and-run
-- title: What was fetched from the network was written to a file and run
-- grade: concern
-- attack: T1105
-- needs: 3
-- why: The program that runs was not in what was examined: whoever serves it decides what it is.
-- done: The file was written by who had got something before, or got it by a tool. Where what came is kept, it was compared: what
--   is another text, or lay on this machine before, is left out. What is packed or encrypted counts when it is enough for
--   the file. Whether it is signed and leaves with the product is for other rules.
-- innocent: Updaters do the same; they are registered, signed by the product's vendor, and leave with it.
WITH ran AS MATERIALIZED (
  SELECT w.run, w.proc, w.path, w.same, w.seq AS written, w.t AS written_t, f.seq AS fetch, f.t AS fetch_t, min(x.t) AS run_t, min(x.seq) AS start, count(*) AS n,
    COALESCE((SELECT COALESCE(l.name, l.dst) || ' port ' || l.dst_port FROM flow l WHERE l.run = f.run AND l.flow = f.flow LIMIT 1), 'somebody') AS source
  FROM written_program w JOIN burst f ON f.seq = w.fetch
  JOIN program x ON x.run = w.run AND x.t >= w.t
    AND x.seq IN (SELECT seq FROM program WHERE file = w.path UNION SELECT seq FROM program WHERE image = w.path)
  GROUP BY w.run, w.proc, w.path)
SELECT group_concat(DISTINCT fetch) || ',' || group_concat(written) || ',' || group_concat(start) AS evidence, proc, sum(n) AS count,
  min(path) AS subject,
  CASE count(*) WHEN 1 THEN '' ELSE 'and ' || (count(*) - 1) || ' more, by the same process; ' END || 'fetched from ' || source
    || CASE WHEN min(same) = 1 AND count(same) = count(*) THEN ' (the same bytes)' WHEN max(same) = 1 THEN ' (some are the same bytes)'
      ELSE ' (by the amount: the bytes that came are packed, encrypted or not kept)' END
    || ', written ' || CAST(max(min(written_t) - min(fetch_t), 0) / 1000000000 AS INTEGER) || ' s later, run '
    || CAST((min(run_t) - min(written_t)) / 1000000000 AS INTEGER) || ' s after that' AS detail
FROM ran GROUP BY run, proc, source
