-- SPDX-License-Identifier: Apache-2.0
-- id: unusual-protocol
-- title: What was spoken is not what the port is for
-- grade: note
-- attack: T1571
-- why: Rules that look at port numbers do not see it.
-- innocent: Web services on ports of their own are common; a name of the vendor speaks for them.
SELECT group_concat(DISTINCT b.seq) || ',' || min(f.seq) AS evidence, b.proc, count(*) AS count,
  COALESCE(f.name, f.dst, '?') || ' port ' || COALESCE(f.dst_port, 0) AS subject, b.protocol || ' where ' || b.expected || ' is usual' AS detail
FROM banner b JOIN flow f ON f.run = b.run AND f.flow = b.flow AND f.op = 'begin'
WHERE b.mismatch = 1 GROUP BY b.run, COALESCE(f.name, f.dst), f.dst_port, b.protocol
