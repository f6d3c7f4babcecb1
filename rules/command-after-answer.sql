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
--   program within two seconds. What it had fetched itself is left out: that is an update. An answer is what comes on a
--   connection, and what is said about a name in a record that can hold anything (TXT, NULL, CNAME, …), but for what mail
--   (SPF, DKIM, DMARC, MTA-STS) and certificates (ACME) have there by their standards.
WITH named AS MATERIALIZED (
  SELECT d.seq, d.run, d.proc, d.t, 'questions for names below ' || registrable_domain(d.name) AS whom
  FROM dns d WHERE d.op = 'answer' AND d.rcode = 'NOERROR' AND length(d.answers) > 0 AND d.proc IN (SELECT proc FROM subject_process)
    AND (d.type IN ('TXT', 'NULL', 'CNAME', 'KEY', 'SIG', 'LOC', 'HINFO') OR d.type GLOB 'TYPE[0-9]*') AND COALESCE(d.transport, '') NOT IN ('mdns', 'llmnr')
    AND '.' || d.name NOT LIKE '%.\_domainkey.%' ESCAPE '\' AND '.' || d.name NOT LIKE '%.\_dmarc.%' ESCAPE '\' AND '.' || d.name NOT LIKE '%.\_mta-sts.%' ESCAPE '\'
    AND '.' || d.name NOT LIKE '%.\_smtp.\_tls.%' ESCAPE '\' AND '.' || d.name NOT LIKE '%.\_acme-challenge.%' ESCAPE '\' AND instr(d.answers, 'v=spf1') = 0),
answers AS MATERIALIZED (
  SELECT b.seq, b.run, b.proc, b.t, COALESCE(f.name, f.dst) || ' port ' || f.dst_port AS whom
  FROM burst b LEFT JOIN flow f ON f.run = b.run AND f.flow = b.flow AND f.op = 'begin'
  WHERE b.dir = 'in' AND b.proc IN (SELECT proc FROM subject_process)
  UNION ALL SELECT * FROM named),
heard AS MATERIALIZED (
  SELECT (SELECT x.file FROM became r JOIN program x ON x.seq = r.program WHERE r.proc = a.proc ORDER BY r.since DESC LIMIT 1) AS program, a.*
  FROM answers a),
starts AS (
  SELECT e.seq, e.run, e.t, e.image, l.parent FROM program e JOIN life l ON l.proc = e.proc
  WHERE l.parent IN (SELECT proc FROM answers)
    AND NOT EXISTS (SELECT 1 FROM written_program w WHERE w.path = e.file AND w.proc = l.parent AND w.run = e.run AND w.seq < e.seq)),
pairs AS MATERIALIZED (
  SELECT (SELECT seq FROM (
      SELECT * FROM (SELECT b.seq, b.t FROM burst b WHERE b.proc = s.parent AND b.dir = 'in' AND b.run = s.run
        AND b.t BETWEEN s.t - 2000000000 AND s.t ORDER BY b.t DESC, b.seq DESC LIMIT 1)
      UNION ALL SELECT * FROM (SELECT d.seq, d.t FROM dns d WHERE d.proc = s.parent AND d.run = s.run
        AND d.t BETWEEN s.t - 2000000000 AND s.t AND d.seq IN (SELECT seq FROM named) ORDER BY d.t DESC, d.seq DESC LIMIT 1))
    ORDER BY t DESC, seq DESC LIMIT 1) AS answer, s.seq AS start, s.image FROM starts s),
told AS (
  SELECT a.program, a.whom, max(a.proc) AS proc, group_concat(p.answer || ',' || p.start) AS evidence,
    count(DISTINCT p.answer) AS n, group_concat(DISTINCT p.image) AS images
  FROM pairs p JOIN heard a ON a.seq = p.answer GROUP BY a.program, a.whom HAVING count(DISTINCT p.answer) >= 2),
all_heard AS (
  SELECT program, whom, count(*) AS n FROM heard GROUP BY program, whom)
SELECT t.evidence, t.proc, t.n AS count, COALESCE(t.program, 'a program') AS subject,
  'started ' || t.images || ' after answers ' || CASE WHEN t.whom LIKE 'questions for%' THEN 'to ' ELSE 'of ' END || COALESCE(t.whom, 'somebody') AS detail
FROM told t JOIN all_heard h ON h.program IS t.program AND h.whom IS t.whom WHERE 2 * t.n >= h.n
