-- SPDX-License-Identifier: Apache-2.0
-- id: steered-by-names
-- title: When a name led elsewhere, the program asked its server for something else
-- grade: concern
-- sign: steered
-- attack: T1568.003,T1105
-- needs: 4
-- why: Whoever answers for a name decides what this program fetches; an address was used as an order.
-- innocent: Content networks send each customer to another host; what is asked of it stays the same.
-- done: Belljar let all names lead to other addresses and changed nothing else. The same program asked the
--   same host for a path that it had never asked for before, and no longer for the one that it had asked for
--   at least three times.
WITH act AS (
  SELECT run, t, until_t FROM experiment WHERE experiment = 'names-changed' AND step = 'begin'),
asked AS MATERIALIZED (
  SELECT h.seq, h.run, h.t, h.proc, h.host, substr(h.target, 1, instr(h.target || '?', '?') - 1) AS path,
    (SELECT p.file FROM program p WHERE p.proc = h.proc ORDER BY p.seq DESC LIMIT 1) AS file
  FROM http h WHERE h.op = 'request' AND h.proc IN (SELECT proc FROM subject_process)),
before AS (
  SELECT a.file, a.host, a.path, count(*) AS n, max(a.seq) AS seq FROM asked a JOIN act x ON a.run = x.run AND a.t < x.t
  GROUP BY a.file, a.host, a.path HAVING count(*) >= 3),
after AS (
  SELECT a.file, a.host, a.path, count(*) AS n, min(a.seq) AS seq, min(a.proc) AS proc, min(a.t) AS t FROM asked a
  JOIN act x ON a.run = x.run AND a.t BETWEEN x.t AND x.until_t
  WHERE NOT EXISTS (SELECT 1 FROM asked o JOIN act y ON o.run = y.run AND o.t < y.t WHERE o.file = a.file AND o.host = a.host AND o.path = a.path)
  GROUP BY a.file, a.host, a.path),
led AS (
  SELECT d.seq, d.run, d.t, d.name, d.answers, d.t >= x.t AS later FROM dns d JOIN act x ON d.run = x.run
  WHERE d.op = 'answer' AND d.answers IS NOT NULL AND d.proc IN (SELECT proc FROM subject_process) AND d.t <= x.until_t)
SELECT b.seq || ',' || n.seq || ',' || max(o.seq) || ',' || min(w.seq) AS evidence, n.proc, n.n AS count, n.host AS subject,
  'asked ' || b.n || ' times for ' || b.path || ', then for ' || n.path || '; ' || w.name || ' had another address' AS detail
FROM after n JOIN before b ON b.file = n.file AND b.host = n.host
JOIN led w ON w.later AND w.t <= n.t JOIN led o ON NOT o.later AND o.name = w.name AND o.answers <> w.answers
WHERE NOT EXISTS (SELECT 1 FROM asked a WHERE a.file = b.file AND a.host = b.host AND a.path = b.path AND a.t >= n.t
  AND a.t <= (SELECT until_t FROM act x WHERE x.run = a.run))
  -- of the names that the program asked for just before, the last
  AND w.seq = (SELECT max(v.seq) FROM led v WHERE v.later AND v.t <= n.t AND v.name <> substr(n.host, 1, instr(n.host || ':', ':') - 1)
    AND v.run = w.run)
GROUP BY n.file, n.host, n.path
