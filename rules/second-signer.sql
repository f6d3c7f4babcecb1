-- SPDX-License-Identifier: Apache-2.0
-- id: second-signer
-- title: A program carries the signature of somebody other than the product's vendor
-- grade: concern
-- sign: signer
-- attack: T1195.002,T1553.002
-- needs: 2
-- why: The product's vendor answers for its own programs; who answers for this one is somebody else.
-- innocent: Runtimes, drivers and bought-in components carry their makers' signatures; those are known names,
--   and the vendor can say why they are there.
-- done: The product's signer is that of its installer, or else of most of its programs. Signers of runtimes that
--   everybody ships are told as facts, files that are neither run nor started by themselves as notes.
WITH pe AS MATERIALIZED (
  SELECT DISTINCT i.sha256, i.path, i.signer, i.signature, i.executed, i.proc, i.run, i.evidence FROM file_info i
  WHERE i.type = 'pe' AND i.signature = 'good' AND i.signer IS NOT NULL),
product AS MATERIALIZED (
  SELECT p.signer, p.evidence FROM pe p
  LEFT JOIN experiment e ON e.experiment = 'install' AND e.step = 'act' AND (e.path = p.path OR e.sha256 = p.sha256)
  ORDER BY e.seq IS NULL, p.signer LIKE '%O=Microsoft %', (SELECT count(*) FROM pe q WHERE q.signer = p.signer) DESC, p.evidence LIMIT 1),
other AS (
  SELECT p.*, (p.executed OR EXISTS (SELECT 1 FROM autostart a WHERE a.program = p.path AND a.op IN ('added', 'changed'))) AS alive
  FROM pe p JOIN product o ON o.signer <> p.signer)
SELECT group_concat(DISTINCT x.evidence) || ',' || (SELECT evidence FROM product) AS evidence, min(x.proc) AS proc,
  count(DISTINCT x.sha256) AS count, min(x.path) AS subject,
  'signed by ' || x.signer || ', the product by ' || (SELECT signer FROM product) AS detail,
  CASE WHEN x.signer LIKE '%O=Microsoft %' THEN 'fact' WHEN max(x.alive) THEN 'concern' ELSE 'note' END AS grade
FROM other x GROUP BY x.signer
