-- SPDX-License-Identifier: Apache-2.0
-- id: same-but-for-the-build
-- title: One program lies there under two names with small differences
-- grade: note
-- attack: T1027.001,T1036.005
-- needs: 2
-- why: Two copies that differ in a time stamp or a build number only have two hashes: who looks for one does not
--   find the other.
-- innocent: A product that is built for two purposes from one source, or twice, can look like this.
-- done: Packages' own files are left out, and so are scripts and copies of which none was run or starts by itself.
WITH f AS MATERIALIZED (
  SELECT i.sha256, i.path, i.normal, i.proc, i.run, i.evidence, i.executed, i.package FROM file_info i
  WHERE i.normal IS NOT NULL AND i.similarity = 100 AND i.package IS NULL AND i.kind IN ('program', 'driver'))
SELECT group_concat(DISTINCT evidence) AS evidence, min(proc) AS proc, count(DISTINCT sha256) AS count, min(path) AS subject,
  group_concat(DISTINCT path) AS detail
FROM f GROUP BY normal
HAVING count(DISTINCT sha256) > 1 AND count(DISTINCT path) > 1
  AND max(executed OR EXISTS (SELECT 1 FROM autostart a WHERE a.program = f.path AND a.op IN ('added', 'changed')))
