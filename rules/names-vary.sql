-- SPDX-License-Identifier: Apache-2.0
-- id: names-vary
-- title: The same program has another name in each run
-- grade: concern
-- sign: names
-- against: yes
-- attack: T1036.005,T1027.013
-- needs: 2
-- why: A name that is made up each time cannot be looked for.
-- innocent: Unpackers work in temporary folders with names of their own; those are gone at the end.
-- done: Only files that were still there at each run's end, outside of temporary folders, and that have no name in common.
WITH mine AS MATERIALIZED (SELECT i.sha256 AS what, i.path, i.evidence, i.proc, i.executed FROM file_info i JOIN change c ON c.path = i.path AND c.sha256 = i.sha256
  WHERE c.op IN ('added', 'changed', 'moved') AND NOT (i.path GLOB '/tmp/*' OR i.path GLOB '/var/tmp/*' OR i.path GLOB '/run/*' OR i.path GLOB '*/.cache/*')
    AND i.type IN ('pe', 'elf', 'script')),
theirs AS MATERIALIZED (SELECT i.sha256 AS what, i.path, i.evidence FROM other_file_info i JOIN other.change c ON c.path = i.path AND c.sha256 = i.sha256
  WHERE c.op IN ('added', 'changed', 'moved') AND NOT (i.path GLOB '/tmp/*' OR i.path GLOB '/var/tmp/*' OR i.path GLOB '/run/*' OR i.path GLOB '*/.cache/*')
    AND i.type IN ('pe', 'elf', 'script'))
SELECT group_concat(DISTINCT m.evidence) AS evidence, group_concat(DISTINCT t.evidence) AS others, min(m.proc) AS proc, min(m.path) AS subject,
  'there ' || min(t.path) AS detail,
  CASE WHEN max(m.executed OR EXISTS (SELECT 1 FROM autostart a WHERE a.program = m.path)) THEN 'concern' ELSE 'note' END AS grade
FROM mine m JOIN theirs t ON t.what = m.what
GROUP BY m.what
HAVING NOT max(EXISTS (SELECT 1 FROM theirs x WHERE x.what = m.what AND x.path = m.path))
