-- SPDX-License-Identifier: Apache-2.0
-- id: answers-steer
-- title: Another answer of the name service makes the program fetch something else
-- grade: concern
-- sign: steered
-- against: yes
-- attack: T1568.003,T1105
-- needs: 3
-- why: Whoever answers for a name decides what this program fetches; an address was used as an order.
-- innocent: Content networks send each customer to another host; what is asked of it stays the same.
-- done: The same program, a name that was answered differently, and requests whose path only one of both runs has.
--   A concern only where a program was written and run after such a request.
WITH mine AS MATERIALIZED (SELECT DISTINCT d.name, d.answers, d.seq FROM dns d WHERE d.op = 'answer' AND d.answers IS NOT NULL AND d.type IN ('A', 'AAAA', 'TXT', 'CNAME')),
theirs AS MATERIALIZED (SELECT DISTINCT d.name, d.answers, d.seq FROM other.dns d WHERE d.op = 'answer' AND d.answers IS NOT NULL AND d.type IN ('A', 'AAAA', 'TXT', 'CNAME')),
steering AS MATERIALIZED (SELECT m.name, min(m.seq) AS seq, min(t.seq) AS other FROM mine m JOIN theirs t ON t.name = m.name
  WHERE m.answers NOT IN (SELECT x.answers FROM theirs x WHERE x.name = m.name) GROUP BY m.name),
asked AS MATERIALIZED (SELECT h.seq, h.run, h.t, h.proc, h.host, substr(h.target, 1, instr(h.target || '?', '?') - 1) AS target,
  (SELECT x.image FROM process x WHERE x.proc = h.proc AND x.op = 'exec' AND x.seq < h.seq ORDER BY x.seq DESC LIMIT 1) AS image
  FROM http h WHERE h.op = 'request'),
asked_there AS MATERIALIZED (SELECT h.seq, h.host, substr(h.target, 1, instr(h.target || '?', '?') - 1) AS target,
  (SELECT x.image FROM other.process x WHERE x.proc = h.proc AND x.op = 'exec' AND x.seq < h.seq ORDER BY x.seq DESC LIMIT 1) AS image
  FROM other.http h WHERE h.op = 'request'),
only_here AS (SELECT * FROM asked a WHERE a.target NOT IN (SELECT target FROM asked_there)),
only_there AS (SELECT * FROM asked_there a WHERE a.target NOT IN (SELECT target FROM asked))
SELECT s.seq || ',' || group_concat(DISTINCT h.seq) AS evidence, s.other || ',' || group_concat(DISTINCT t.seq) AS others, min(h.proc) AS proc,
  s.name AS subject, 'asked ' || min(h.host || h.target) || ' here, ' || min(t.host || t.target) || ' there' AS detail,
  CASE WHEN max(EXISTS (SELECT 1 FROM file w JOIN process x ON x.run = w.run AND x.op = 'exec' AND x.seq > w.seq AND (x.image = w.path OR x.script = w.path)
    WHERE w.run = h.run AND w.proc = h.proc AND w.seq > h.seq AND w.op IN ('create', 'write'))) THEN 'concern' ELSE 'note' END AS grade
FROM steering s JOIN only_here h ON h.seq > s.seq JOIN only_there t ON t.image = h.image AND t.seq > s.other
GROUP BY s.name
