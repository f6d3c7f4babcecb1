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
paths AS MATERIALIZED (
  SELECT a.file, a.host, a.path, count(*) FILTER (WHERE a.t < x.t) AS before, max(a.seq) FILTER (WHERE a.t < x.t) AS last,
    count(*) FILTER (WHERE a.t >= x.t) AS after, min(a.seq) FILTER (WHERE a.t >= x.t) AS first, min(a.t) FILTER (WHERE a.t >= x.t) AS first_t,
    max(a.t) AS last_t, max(a.proc) AS proc
  FROM asked a JOIN act x ON a.run = x.run AND a.t <= x.until_t GROUP BY a.file, a.host, a.path),
led AS MATERIALIZED (
  SELECT d.seq, d.run, d.t, d.name, d.answers, d.t >= x.t AS later FROM dns d JOIN act x ON d.run = x.run
  WHERE d.op = 'answer' AND d.answers IS NOT NULL AND d.proc IN (SELECT proc FROM subject_process) AND d.t <= x.until_t)
SELECT b.last || ',' || n.first || ',' || max(o.seq) || ',' || w.seq AS evidence, n.proc, n.after AS count, n.host AS subject,
  'asked ' || b.before || ' times for ' || b.path || ', then for ' || n.path || '; ' || w.name || ' had another address' AS detail
FROM paths n JOIN paths b ON b.file = n.file AND b.host = n.host AND b.before >= 3 AND b.last_t < n.first_t
JOIN led w ON w.later AND w.t <= n.first_t JOIN led o ON NOT o.later AND o.name = w.name AND o.answers <> w.answers
-- of the names that the program asked for just before, the last that is not the server's own
WHERE n.before = 0 AND w.seq = (SELECT max(v.seq) FROM led v WHERE v.later AND v.t <= n.first_t
  AND v.name <> substr(n.host, 1, instr(n.host || ':', ':') - 1))
GROUP BY n.file, n.host, n.path
