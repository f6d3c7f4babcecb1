-- SPDX-License-Identifier: Apache-2.0
-- id: logs-wiped
-- title: Logs that were there before were deleted or emptied
-- grade: concern
-- attack: T1070.002
-- sign: erasure
-- why: What the logs would have told is gone; belljar's own record is outside of the box.
-- innocent: Log rotation and the purge of a package remove logs too, by programs that are known for it.
-- done: logrotate, the package manager and its scripts are left out, and logs that came to be on this
--   record.
SELECT group_concat(f.seq) AS evidence, f.proc, count(*) AS count, COALESCE(x.image, 'a program') AS subject,
  group_concat(DISTINCT f.path) AS detail
FROM file f LEFT JOIN process x ON x.seq = (SELECT max(p.seq) FROM process p WHERE p.proc = f.proc AND p.op = 'exec' AND p.seq < f.seq)
WHERE f.path GLOB '/var/log/*' AND f.op IN ('unlink', 'truncate') AND f.answer IS NULL AND f.reason IS NULL AND f.existed IS NOT 0
  AND NOT EXISTS (SELECT 1 FROM file c WHERE c.seq < f.seq AND c.op IN ('create', 'write') AND c.existed = 0 AND c.path = f.path)
  AND NOT EXISTS (SELECT 1 FROM change c WHERE c.path = f.path AND c.op = 'added' AND c.seq < f.seq)
  AND f.path NOT IN (SELECT path2 FROM file r WHERE r.op = 'rename' AND r.seq < f.seq)
  AND COALESCE(base_name(x.image), '') NOT IN ('logrotate', 'dpkg', 'apt-get', 'apt', 'savelog')
  AND COALESCE(x.script, '') NOT GLOB '/var/lib/dpkg/*'
GROUP BY f.run, f.proc
