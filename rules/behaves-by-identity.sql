-- SPDX-License-Identifier: Apache-2.0
-- id: behaves-by-identity
-- title: The same software does on this machine what it does not do on another
-- grade: concern
-- sign: selected
-- against: yes
-- attack: T1480
-- why: Somebody chooses on whose machines it happens; who examines another machine does not see it.
-- innocent: Vendors try new versions with some customers first; a run that was shorter shows less.
-- done: Both runs began with the same bytes. Programs that ran here and whose bytes were never seen there are a concern
--   when what started them ran there too and they came over the network; names that were asked here only are facts.
WITH first_here AS (SELECT min(seq) AS seq, sha256 FROM program WHERE cause IN ('run', 'install') AND sha256 IS NOT NULL),
there AS MATERIALIZED (SELECT seq, COALESCE(script_sha256, sha256) AS sha256, COALESCE(script, image) AS file, cause FROM other.process WHERE op = 'exec'),
same AS (SELECT f.seq, (SELECT min(seq) FROM there t WHERE t.sha256 = f.sha256) AS other FROM first_here f
  WHERE f.sha256 IN (SELECT sha256 FROM there WHERE cause IN ('run', 'install'))),
new AS (SELECT p.seq, p.run, p.proc, p.t, p.file, p.sha256, l.parent,
    (SELECT x.sha256 FROM program x WHERE x.proc = l.parent AND x.seq < p.seq ORDER BY x.seq DESC LIMIT 1) AS by_sha
  FROM program p LEFT JOIN life l ON l.proc = p.proc
  WHERE p.sha256 IS NOT NULL AND p.sha256 NOT IN (SELECT sha256 FROM there WHERE sha256 IS NOT NULL)
    AND p.file NOT IN (SELECT file FROM there WHERE file IS NOT NULL)),
fetched AS (SELECT n.*, (SELECT max(b.seq) FROM file w JOIN burst b ON b.run = w.run AND b.proc = w.proc AND b.dir = 'in' AND b.seq < w.seq
    WHERE w.run = n.run AND w.path = n.file AND w.op IN ('create', 'write') AND w.seq < n.seq) AS answer FROM new n)
SELECT s.seq || ',' || group_concat(DISTINCT f.seq) || COALESCE(',' || max(f.answer), '') AS evidence, s.other AS others, min(f.proc) AS proc,
  count(*) AS count, f.file AS subject, 'was run here and not there' || CASE WHEN max(f.answer) THEN ', and came over the network' ELSE '' END AS detail,
  CASE WHEN max(f.answer) IS NOT NULL AND max(f.by_sha IN (SELECT sha256 FROM there)) THEN 'concern' ELSE 'note' END AS grade
FROM fetched f, same s GROUP BY f.file
UNION ALL
SELECT s.seq || ',' || min(d.seq), s.other, min(d.proc), count(*), registrable_domain(d.name), 'was asked for here and not there', 'fact'
FROM dns d, same s WHERE d.op = 'query' AND registrable_domain(d.name) NOT IN (SELECT registrable_domain(name) FROM other.dns WHERE op = 'query' AND name IS NOT NULL)
GROUP BY registrable_domain(d.name)
