-- SPDX-License-Identifier: Apache-2.0
-- id: second-updater
-- title: Beside the product's updater there is another one, which asks somebody else
-- grade: note
-- attack: T1105
-- sign: second-updater
-- needs: 4
-- why: One product has one vendor. A second program that fetches from a second domain serves somebody else.
-- innocent: Contents are often served by a hired network of servers with a name of its own.
-- done: Two different programs, none started by the other; each asked at least twice, and no domain is
--   common to both.
WITH asked AS (
  SELECT DISTINCT h.seq, h.proc, registrable_domain(COALESCE(f.name, f.dst)) AS domain FROM http h
  JOIN flow f ON f.run = h.run AND f.flow = h.flow AND f.op = 'begin'
  WHERE h.op = 'request' AND h.method = 'GET' AND h.proc IN (SELECT proc FROM subject_process)),
fetchers AS (
  SELECT a.proc, a.domain, count(*) AS n, min(a.seq) || ',' || max(a.seq) AS evidence,
    (SELECT COALESCE(p.command_line, p.file) FROM program p WHERE p.proc = a.proc ORDER BY p.seq DESC LIMIT 1) AS what
  FROM asked a WHERE a.domain IS NOT NULL GROUP BY a.proc, a.domain HAVING count(*) >= 2),
pairs AS (
  SELECT a.domain AS one, b.domain AS two, a.what, b.what AS other, a.proc, min(a.evidence || ',' || b.evidence) AS evidence
  FROM fetchers a JOIN fetchers b ON a.domain < b.domain AND a.proc <> b.proc
  WHERE a.what <> b.what
    AND NOT EXISTS (SELECT 1 FROM fetchers x JOIN fetchers y ON x.domain = y.domain WHERE x.what = a.what AND y.what = b.what)
    AND NOT EXISTS (SELECT 1 FROM life l WHERE (l.proc = a.proc AND l.parent = b.proc) OR (l.proc = b.proc AND l.parent = a.proc))
  GROUP BY a.domain, b.domain, a.what, b.what)
SELECT evidence, proc, one || ' and ' || two AS subject, what || ' asks ' || one || ', ' || other || ' asks ' || two AS detail FROM pairs
