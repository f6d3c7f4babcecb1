-- SPDX-License-Identifier: Apache-2.0
-- id: unusual-protocol
-- title: What was spoken is not what the port is for
-- grade: note
-- attack: T1571
-- why: Rules that look at port numbers do not see it.
-- innocent: Web services on ports of their own are common; a name of the vendor speaks for them.
-- done: A program that does so with more than four places is told once.
WITH odd AS MATERIALIZED (
  SELECT b.seq, f.seq AS flow_seq, b.proc, b.protocol, b.expected,
    COALESCE(f.name, f.dst, '?') || ' port ' || COALESCE(f.dst_port, 0) AS place,
    (SELECT p.file FROM program p WHERE p.proc = b.proc AND p.seq < b.seq ORDER BY p.seq DESC LIMIT 1) AS file,
    EXISTS (SELECT 1 FROM banner t WHERE t.run = b.run AND t.flow = b.flow AND t.seq < b.seq AND t.protocol = 'tls') AS inside
  FROM banner b JOIN flow f ON f.run = b.run AND f.flow = b.flow AND f.op = 'begin' WHERE b.mismatch = 1),
places AS (
  SELECT file, protocol, expected, inside, count(DISTINCT place) AS n FROM odd GROUP BY file, protocol, expected, inside)
SELECT group_concat(o.seq || ',' || o.flow_seq) AS evidence, min(o.proc) AS proc, count(*) AS count,
  CASE WHEN p.n > 4 THEN p.n || ' places, such as ' || min(o.place) ELSE o.place END AS subject,
  o.protocol || ' where ' || o.expected || ' is usual' || CASE WHEN o.inside THEN ', inside of TLS' ELSE '' END
    || COALESCE(', by ' || o.file, '') AS detail
FROM odd o JOIN places p ON p.file IS o.file AND p.protocol IS o.protocol AND p.expected IS o.expected AND p.inside = o.inside
GROUP BY o.file, o.protocol, o.expected, o.inside, CASE WHEN p.n > 4 THEN '' ELSE o.place END
