-- SPDX-License-Identifier: Apache-2.0
-- id: unsigned-beside-signed
-- title: Programs that nobody signed lie beside signed ones
-- grade: note
-- attack: T1195.002
-- needs: 2
-- why: Nobody answers for them; where a vendor signs what it ships, what is not signed came in another way.
-- innocent: Open libraries that a product brings are often not signed; so are helpers of its installer.
-- done: Only programs that were run or start by themselves are a note; others, and libraries, are a fact.
WITH pe AS MATERIALIZED (
  SELECT i.sha256, i.path, i.kind, i.signature, i.executed, i.proc, i.evidence FROM file_info i WHERE i.type = 'pe')
SELECT group_concat(DISTINCT p.evidence) || ',' || (SELECT min(evidence) FROM pe WHERE signature = 'good') AS evidence, min(p.proc) AS proc,
  count(DISTINCT p.sha256) AS count, min(p.path) AS subject, group_concat(DISTINCT p.path) AS detail,
  CASE WHEN max(p.kind <> 'library' AND (p.executed OR EXISTS (SELECT 1 FROM autostart a WHERE a.program = p.path AND a.op IN ('added', 'changed'))))
    THEN 'note' ELSE 'fact' END AS grade
FROM pe p WHERE p.signature = 'none' AND EXISTS (SELECT 1 FROM pe WHERE signature = 'good')
GROUP BY p.kind = 'library'
