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
WITH answers AS MATERIALIZED (
  SELECT b.seq, b.run, b.proc, b.t,
    (SELECT x.file FROM became r JOIN program x ON x.seq = r.program WHERE r.proc = b.proc ORDER BY r.since DESC LIMIT 1) AS program,
    COALESCE(f.name, f.dst) || ' port ' || f.dst_port AS whom
  FROM burst b LEFT JOIN flow f ON f.run = b.run AND f.flow = b.flow AND f.op = 'begin'
  WHERE b.dir = 'in' AND b.proc IN (SELECT proc FROM subject_process)),
starts AS (
  SELECT e.seq, e.run, e.t, e.image, l.parent FROM program e JOIN life l ON l.proc = e.proc
  WHERE l.parent IN (SELECT proc FROM burst)
    AND NOT EXISTS (SELECT 1 FROM written_program w WHERE w.path = e.file AND w.proc = l.parent AND w.run = e.run AND w.seq < e.seq)),
pairs AS MATERIALIZED (
  SELECT (SELECT max(b.seq) FROM burst b WHERE b.proc = s.parent AND b.dir = 'in' AND b.run = s.run
    AND b.t BETWEEN s.t - 2000000000 AND s.t) AS answer, s.seq AS start, s.image FROM starts s),
told AS (
  SELECT a.program, a.whom, max(a.proc) AS proc, group_concat(p.answer || ',' || p.start) AS evidence,
    count(DISTINCT p.answer) AS n, group_concat(DISTINCT p.image) AS images
  FROM pairs p JOIN answers a ON a.seq = p.answer GROUP BY a.program, a.whom HAVING count(DISTINCT p.answer) >= 2),
heard AS (
  SELECT program, whom, count(*) AS n FROM answers GROUP BY program, whom)
SELECT t.evidence, t.proc, t.n AS count, COALESCE(t.program, 'a program') AS subject,
  'started ' || t.images || ' after answers of ' || COALESCE(t.whom, 'somebody') AS detail
FROM told t JOIN heard h ON h.program IS t.program AND h.whom IS t.whom WHERE 2 * t.n >= h.n
