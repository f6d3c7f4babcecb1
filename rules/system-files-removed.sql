-- SPDX-License-Identifier: Apache-2.0
-- id: system-files-removed
-- title: Files of the system are gone, or nobody may use them any more
-- grade: concern
-- sign: damage
-- attack: T1485,T1489
-- why: Programs and libraries that were there before are what other software of the machine needs.
-- innocent: An installer may replace a tool of the system by its own; then the tool is still there afterwards.
-- done: What the package manager removed, and what its scripts did, is left out: it knows who else needs a file.
SELECT group_concat(c.seq) AS evidence, c.writer AS proc, count(*) AS count, min(c.path) AS subject,
  CASE WHEN c.op = 'removed' THEN 'removed' ELSE c.detail END AS detail
FROM change c WHERE c.writer IN (SELECT proc FROM subject_process) AND c.writer NOT IN (SELECT proc FROM package_process)
  AND ((c.op = 'removed' AND c.type IN ('file', 'symlink') AND (c.path GLOB '/usr/bin/*' OR c.path GLOB '/usr/sbin/*' OR c.path GLOB '/usr/lib/*'
        OR c.path GLOB '/usr/lib64/*' OR c.path GLOB '/bin*' OR c.path GLOB '/sbin*' OR c.path GLOB '/lib*' OR c.path GLOB '/boot/*')
      AND NOT EXISTS (SELECT 1 FROM change a WHERE a.path = c.path AND a.op = 'added' AND a.seq < c.seq))
    OR (c.op = 'meta' AND c.type = 'dir' AND c.detail GLOB '*mode *[0-7][0-7][0-7]→0*0*' AND c.mode & 73 = 0 AND
      c.path IN ('/', '/bin', '/etc', '/home', '/lib', '/lib64', '/opt', '/root', '/sbin', '/tmp', '/usr', '/usr/bin', '/usr/lib', '/usr/sbin', '/var')))
GROUP BY c.run, c.op
