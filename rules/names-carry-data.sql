-- SPDX-License-Identifier: Apache-2.0
-- id: names-carry-data
-- title: Questions for names carry data past the network's walls
-- grade: concern
-- sign: tunnel
-- attack: T1071.004,T1572,T1048
-- needs: 8
-- why: Whoever owns a domain gets each question for a name below it, from any machine that can look up
--   names, and answers what he likes: data in both directions where connections are forbidden.
-- innocent: Virus scanners and mail filters ask about the reputation of files and senders in this way,
--   and crawlers ask for many names of one host; then the vendor can say what the names mean.
-- done: At least 16 different names below one registered domain were asked for, hardly any again and
--   again, and with them went 1000 bytes, or they asked for records that are no addresses (at least 8,
--   where these are of a type that hardly any program asks for). Looked-up addresses do not count, also
--   where they stand in front of a list's name. It is a note where policy allows all these names, all
--   answers are of 127.0.0.0/8 as such lists give them, or short names went for addresses only.
WITH asked AS MATERIALIZED (
  SELECT seq, proc, type, registrable_domain(name) AS domain, below_domain(name) AS below FROM dns
  WHERE op = 'query' AND name IS NOT NULL AND COALESCE(transport, '') NOT IN ('mdns', 'llmnr') AND proc IN (SELECT proc FROM subject_process)),
names AS MATERIALIZED (
  SELECT domain, below, count(*) AS asked, count(DISTINCT type) AS types, min(seq) AS seq, min(proc) AS proc,
    max(type NOT IN ('A', 'AAAA', 'HTTPS', 'SVCB', 'NS', 'SOA', 'PTR')) AS other,
    max(type IN ('NULL', 'KEY', 'SIG', 'LOC', 'HINFO') OR type GLOB 'TYPE[0-9]*') AS rare
  FROM asked WHERE below <> '' GROUP BY domain, below),
ranked AS (SELECT *, row_number() OVER (PARTITION BY domain ORDER BY seq) AS nr FROM names),
domains AS MATERIALIZED (
  SELECT domain, min(proc) AS proc, count(*) AS names, sum(asked) AS asked, sum(types) AS questions, sum(length(below)) AS bytes,
    sum(other) AS other, sum(rare) AS rare, group_concat(seq) FILTER (WHERE nr <= 100) AS evidence
  FROM ranked GROUP BY domain
  HAVING (names >= 16 OR rare >= 8) AND asked <= 4 * questions AND (bytes >= 1000 OR other >= 16 OR rare >= 8)),
answered AS MATERIALIZED (
  SELECT d.domain, count(*) AS answers, sum(a.answer IS 'allowed' AND a.reason IS NOT 'everybody is allowed who is not denied (mode open)') AS allowed, sum(instr(a.answers, ' A 127.') > 0) AS listed,
    sum(CASE WHEN a.type NOT IN ('A', 'AAAA') THEN max(length(a.answers) - length(a.name), 0) END) AS data
  FROM dns a JOIN domains d ON d.domain = registrable_domain(a.name) WHERE a.op = 'answer' GROUP BY d.domain)
SELECT d.evidence, d.proc, d.names AS count, 'names below ' || d.domain AS subject,
  d.names || ' different names with ' || d.bytes || ' bytes below ' || d.domain || CASE WHEN d.other > 0 THEN '; '
    || d.other || ' of them for records that are no addresses' ELSE '' END
    || CASE WHEN a.data >= 1000 THEN '; ' || a.data || ' bytes came back' ELSE '' END AS detail,
  CASE WHEN a.answers > 0 AND a.allowed = a.answers OR a.answers > 0 AND a.listed = a.answers
      OR d.other < 16 AND d.rare < 8 AND d.bytes < 12 * d.names THEN 'note' ELSE 'concern' END AS grade
FROM domains d LEFT JOIN answered a ON a.domain = d.domain
