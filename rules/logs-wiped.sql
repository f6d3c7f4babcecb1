-- SPDX-License-Identifier: Apache-2.0
-- id: logs-wiped
-- title: Logs that were there before were deleted or emptied
-- grade: concern
-- attack: T1070.002
-- sign: erasure
-- why: What the logs would have told is gone; belljar's own record is outside of the box.
-- innocent: Log rotation and the purge of a package remove logs too, by programs that are known for it.
-- done: logrotate, the package manager and its scripts are left out, and logs that this software itself made. A log that is
--   written to at another place than its end is a note, and so is a history of commands.
WITH system(path) AS (VALUES ('/var/log/dpkg.log'), ('/var/log/apt/history.log'), ('/var/log/apt/term.log'), ('/var/log/alternatives.log'), ('/var/log/wtmp'),
  ('/var/log/btmp'), ('/var/log/lastlog')),
own(path) AS MATERIALIZED (
  SELECT path FROM file WHERE op IN ('create', 'write') AND existed = 0 AND proc IN (SELECT proc FROM subject_process)
  UNION SELECT path2 FROM file WHERE op = 'rename' AND proc IN (SELECT proc FROM subject_process)
    AND path NOT IN (SELECT path FROM file WHERE existed = 1 AND op IN ('write', 'truncate'))
  UNION SELECT path FROM change WHERE op = 'added' AND (writer IS NULL OR writer IN (SELECT proc FROM subject_process))
  EXCEPT SELECT path FROM system),
-- what was there is another file by now
target(path, seq) AS MATERIALIZED (SELECT path2, min(seq) FROM file WHERE op = 'rename' AND path2 IS NOT NULL GROUP BY path2),
wiped AS (
  SELECT f.seq, f.run, f.proc, f.path, CASE WHEN f.op = 'write' OR f.path NOT GLOB '/var/log/*' THEN 'note' ELSE 'concern' END AS grade,
    CASE f.op WHEN 'write' THEN ' (overwritten)' WHEN 'rename' THEN ' (moved away)' WHEN 'symlink' THEN ' (leads nowhere)' ELSE '' END AS how
  FROM file f WHERE f.answer IS NULL AND f.reason IS NULL AND f.existed IS NOT 0 AND (
    (f.path GLOB '/var/log/*' AND (f.op IN ('unlink', 'truncate') OR (f.op = 'rename' AND f.path2 NOT GLOB '/var/log/*')
      -- opened to be written, from its begin: 1 or 2, and not 1024 (O_APPEND)
      OR (f.op = 'write' AND f.existed = 1 AND f.flags & 3 AND NOT f.flags & 1024 AND f.path NOT GLOB '/var/log/journal/*'
        AND base_name(f.path) NOT IN ('lastlog', 'faillog', 'tallylog', 'wtmp', 'btmp') AND base_name(f.path) NOT GLOB '*.db*')))
    OR (f.path GLOB '*/.*_history' AND f.path NOT GLOB '/etc/skel/*' AND (f.op IN ('unlink', 'truncate') OR (f.op = 'symlink' AND f.path2 = '/dev/null'))))
  UNION ALL
  SELECT f.seq, f.run, f.proc, f.path, 'note', ' (leads nowhere)' FROM file f
  WHERE f.path GLOB '*/.*_history' AND f.op = 'symlink' AND f.path2 = '/dev/null' AND f.existed = 0 AND f.answer IS NULL AND f.reason IS NULL)
SELECT group_concat(w.seq) AS evidence, w.proc, count(*) AS count, COALESCE(x.image, 'a program') AS subject,
  group_concat(DISTINCT w.path || w.how) AS detail, w.grade
FROM wiped w LEFT JOIN process x ON x.seq = (SELECT max(p.seq) FROM process p WHERE p.proc = w.proc AND p.op = 'exec' AND p.seq < w.seq)
WHERE (w.how = ' (leads nowhere)' OR w.path NOT IN (SELECT path FROM own WHERE path IS NOT NULL))
  AND NOT EXISTS (SELECT 1 FROM target r WHERE r.path = w.path AND r.seq < w.seq)
  AND COALESCE(base_name(x.image), '') NOT IN ('logrotate', 'dpkg', 'apt-get', 'apt', 'savelog')
  AND COALESCE(x.script, '') NOT GLOB '/var/lib/dpkg/*'
GROUP BY w.run, w.proc, w.grade
UNION ALL
SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line),
  CASE WHEN base_name(p.file) IN ('systemctl', 'auditctl') THEN 'concern' ELSE 'note' END FROM program p
WHERE p.proc NOT IN (SELECT proc FROM package_process) AND (
  (base_name(p.file) = 'journalctl' AND p.command_line LIKE '%--vacuum-%')
  OR (base_name(p.file) = 'dmesg' AND (p.command_line GLOB '* -[cC]*' OR p.command_line LIKE '%--clear%'))
  OR (base_name(p.file) = 'auditctl' AND (p.command_line GLOB '* -D*' OR p.command_line GLOB '* -e 0*' OR p.command_line GLOB '* -e0*'))
  OR (base_name(p.file) = 'systemctl' AND (p.command_line LIKE '% disable%' OR p.command_line LIKE '% mask%' OR p.command_line LIKE '% stop%')
    AND (p.command_line LIKE '%rsyslog%' OR p.command_line LIKE '%auditd%' OR p.command_line LIKE '%journald%' OR p.command_line LIKE '%syslog-ng%')))
GROUP BY p.run, p.command_line
