-- SPDX-License-Identifier: Apache-2.0
-- id: regular-contacts
-- title: A program contacts somebody by itself, at times that follow a pattern
-- grade: concern
-- attack: T1071,T1571
-- sign: beacon
-- why: Software that waits for orders asks for them again and again. Times that are too regular for
--   chance show that no person is behind them.
-- innocent: Updates, licences, clocks and mail are also asked for at regular times; then the name
--   belongs to the vendor, and the vendor can say what is sent.
--   A protocol's own clock questions, keep-alives and registrations are regular because their standard says so.
-- done: What is sent to everybody in the machine's own network, as file sharing and discovery do, is a note.
--   What is nothing but a protocol's routine, both ways and in a form that carries next to nothing, is a fact.
--   Four addresses without a name and more that are contacted after about the same time, or from one
--   socket, are told as one.
WITH regular AS MATERIALIZED (
  SELECT * FROM beacon WHERE p <= 0.01 AND contacts >= 8 AND proc IN (SELECT proc FROM subject_process)
    -- a name without a dot is this machine's or its network's: nobody outside is asked
    AND NOT (what = 'dns' AND instr(rtrim(COALESCE(name, destination), '.'), '.') = 0)),
told AS MATERIALIZED (
  SELECT row_number() OVER () AS id, r.*,
    -- everybody in the machine's own network, or a group: file and printer sharing, discovery
    destination IN ('10.0.2.255', '255.255.255.255') OR destination GLOB '22[4-9].*' OR destination GLOB '23[0-9].*'
      OR destination GLOB 'ff[0-9a-f]*:*' AS everybody
  FROM regular r
  -- the same contacts under another key, or seen again inside of their connections, are told once
  WHERE (key = 'name' OR NOT EXISTS (SELECT 1 FROM regular n WHERE n.key = 'name' AND n.image IS r.image AND n.what = r.what AND n.routine IS r.routine
      AND (r.key = 'undeclared' OR n.port IS r.port AND (r.name = n.destination OR r.name LIKE '%.' || n.destination))))
    AND (key <> 'undeclared' OR NOT EXISTS (SELECT 1 FROM regular n WHERE n.key <> 'undeclared' AND n.image IS r.image AND n.what = r.what
      AND n.routine IS r.routine))
    AND (what = 'connection' OR NOT EXISTS (SELECT 1 FROM regular n WHERE n.what = 'connection' AND n.key = r.key AND n.image IS r.image AND n.routine IS r.routine
      AND n.destination IS r.destination AND (r.what = 'dns' OR n.port IS r.port)))),
-- a crowd of equals, whom a program contacts when its own clock says so, is told once: addresses without
-- a name, all after about the same time as one of them, or from one socket
nameless AS MATERIALIZED (
  SELECT * FROM told WHERE key = 'address' AND name IS NULL AND NOT everybody AND routine IS NULL AND answer IS NOT 'allowed'),
likes AS MATERIALIZED (
  SELECT a.id AS lead, a.image, a.p, b.id, b.destination, b.protocol, b.source_port
  FROM (SELECT * FROM nameless ORDER BY p, contacts DESC, id LIMIT 200) a JOIN nameless b ON b.image IS a.image
    AND (b.period BETWEEN a.period / 2 AND a.period * 2 OR b.source_port = a.source_port AND b.protocol = a.protocol)),
leads AS MATERIALIZED (
  SELECT image, lead, row_number() OVER (PARTITION BY image ORDER BY count(DISTINCT destination) DESC, p, lead) AS nr
  FROM likes GROUP BY lead HAVING count(DISTINCT destination) >= 4),
led AS MATERIALIZED (
  SELECT k.* FROM likes k JOIN leads l ON l.lead = k.lead AND l.nr = 1),
sockets AS MATERIALIZED (
  SELECT DISTINCT lead, image, protocol, source_port FROM led WHERE source_port IS NOT NULL),
near AS MATERIALIZED (
  SELECT lead, id, destination FROM led
  UNION SELECT s.lead, n.id, n.destination FROM sockets s JOIN nameless n ON n.image IS s.image AND n.protocol = s.protocol
    AND n.source_port = s.source_port),
crowd AS MATERIALIZED (
  SELECT lead, count(DISTINCT destination) AS addresses FROM near GROUP BY lead)
SELECT
  evidence, proc, contacts AS count,
  CASE key WHEN 'undeclared' THEN COALESCE(image, 'a program') || ' to names and addresses that nobody declared'
    ELSE destination || COALESCE(' port ' || NULLIF(port, 0), '') || COALESCE(' and ' || (c.addresses - 1) || ' more addresses', '')
      || ' by ' || COALESCE(image, 'a program') END AS subject,
  contacts || ' ' || CASE WHEN protocol = 'icmp' THEN 'pings' WHEN what = 'burst' THEN 'messages inside of connections' WHEN what = 'dns' AND key = 'undeclared' THEN 'questions for names' WHEN what = 'dns' THEN 'questions for the name'
    ELSE 'connections' END || ', ' || regular_words(period, jitter, p)
    || CASE WHEN regular_start > 0 THEN '; the first ' || regular_start || ' at equal distances, later ones not' ELSE '' END
    || CASE WHEN same_size > 0.8 THEN '; nearly all of one size' ELSE '' END
    || COALESCE('; nothing but what ' || routine || ' sends by the clock', '') AS detail,
  CASE WHEN routine IS NOT NULL THEN 'fact' WHEN everybody THEN 'note'
    WHEN answer = 'allowed' OR (name IS NOT NULL AND COALESCE(port, 0) IN (0, 53, 80, 123, 443)) OR what = 'dns' THEN 'note' ELSE 'concern' END AS grade
FROM told t LEFT JOIN crowd c ON c.lead = t.id
WHERE id NOT IN (SELECT id FROM near WHERE id <> lead)
