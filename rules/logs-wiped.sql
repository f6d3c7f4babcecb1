-- SPDX-License-Identifier: Apache-2.0
-- id: logs-wiped
-- title: Logs or histories of commands were deleted, emptied or led nowhere
-- grade: concern
-- attack: T1070.002,T1070.003
-- sign: erasure
-- why: What they would have told is gone; belljar's own record is outside of the box.
-- innocent: Log rotation and the removal of a package remove logs too, by programs that are known for it. Some people keep
--   no history of their commands.
-- done: logrotate and what it starts, the package manager and its scripts are left out, and logs that this software itself made,
--   but for those of the system, which many write (these are notes when they were made on this record). A log that is
--   written to at another place than its end is a note, and so is a history of commands; a history that its own shell
--   writes counts when nothing is left in it, and a folder of a user that is removed as a whole does not.
WITH RECURSIVE system(path) AS (VALUES ('/var/log/dpkg.log'), ('/var/log/apt/history.log'), ('/var/log/apt/term.log'), ('/var/log/alternatives.log'), ('/var/log/wtmp'),
  ('/var/log/btmp'), ('/var/log/lastlog')),
-- what everybody's events go into, whoever has made the file
shared(pattern) AS (VALUES ('/var/log/syslog*'), ('/var/log/messages*'), ('/var/log/auth.log*'), ('/var/log/secure*'), ('/var/log/kern.log*'),
  ('/var/log/daemon.log*'), ('/var/log/user.log*'), ('/var/log/cron*'), ('/var/log/debug*'), ('/var/log/boot.log*'), ('/var/log/dmesg*'), ('/var/log/faillog*'),
  ('/var/log/tallylog*'), ('/var/log/wtmp*'), ('/var/log/btmp*'), ('/var/log/lastlog*'), ('/var/log/sudo.log*'), ('/var/log/audit/*'), ('/var/log/journal/*'),
  ('/run/log/journal/*'), ('/run/utmp'), ('/var/run/utmp')),
own(path) AS MATERIALIZED (
  SELECT path FROM file WHERE op IN ('create', 'write') AND existed = 0 AND proc IN (SELECT proc FROM subject_process)
  UNION SELECT path2 FROM file WHERE op = 'rename' AND proc IN (SELECT proc FROM subject_process)
    AND path NOT IN (SELECT path FROM file WHERE existed = 1 AND op IN ('write', 'truncate'))
  UNION SELECT path FROM change WHERE op = 'added' AND (writer IS NULL OR writer IN (SELECT proc FROM subject_process))
  EXCEPT SELECT path FROM system),
-- what was there is another file by now
target(path, seq) AS MATERIALIZED (SELECT path2, min(seq) FROM file WHERE op = 'rename' AND path2 IS NOT NULL GROUP BY path2),
-- calls about logs and histories
call AS MATERIALIZED (
  SELECT f.seq, f.run, f.proc, f.path, f.op, f.path2, f.flags, f.existed, f.path NOT GLOB '/var/log/*' AND f.path NOT GLOB '/run/*' AND f.path NOT GLOB '/var/run/*' AS history
  FROM file f WHERE f.answer IS NULL AND f.reason IS NULL AND (f.path GLOB '/var/log/*' OR f.path GLOB '/run/log/journal/*' OR f.path IN ('/run/utmp', '/var/run/utmp')
    OR (f.path GLOB '*/.*_history' OR base_name(f.path) IN ('.zhistory', '.histfile', 'fish_history', '.lesshst', '.viminfo')) AND f.path NOT GLOB '/etc/skel/*')
  UNION ALL
  -- moved over what was there
  SELECT f.seq, f.run, f.proc, f.path2, 'replaced', f.path, f.flags, 1, f.path2 NOT GLOB '/var/log/*'
  FROM file f WHERE f.op = 'rename' AND f.answer IS NULL AND f.reason IS NULL
    AND (f.path2 GLOB '/var/log/*' AND f.path2 NOT GLOB '*.[0-9]*' AND EXISTS (SELECT 1 FROM shared s WHERE f.path2 GLOB s.pattern) OR f.path2 GLOB '*/.*_history')),
done AS (
  SELECT c.*, CASE c.op WHEN 'write' THEN ' (overwritten)' WHEN 'rename' THEN ' (moved away)' WHEN 'symlink' THEN ' (leads nowhere)' WHEN 'replaced' THEN ' (replaced)'
    WHEN 'truncate' THEN ' (emptied)' ELSE '' END AS how
  FROM call c WHERE
    NOT c.history AND c.existed IS NOT 0 AND (c.op IN ('unlink', 'truncate') OR (c.op = 'rename' AND c.path2 NOT GLOB '/var/log/*')
      OR (c.op = 'symlink' AND c.path2 = '/dev/null')
      -- by another one than who rotates: the old one did not go to another name
      OR (c.op = 'replaced' AND NOT EXISTS (SELECT 1 FROM file o WHERE o.op = 'rename' AND o.path = c.path AND o.run = c.run AND o.seq < c.seq))
      -- opened to be written, from its begin: 1 or 2, and not 1024 (O_APPEND)
      OR (c.op = 'write' AND c.existed = 1 AND c.flags & 3 AND NOT c.flags & 1024 AND c.path NOT GLOB '/var/log/journal/*' AND c.path GLOB '/var/log/*'
        AND base_name(c.path) NOT IN ('lastlog', 'faillog', 'tallylog', 'wtmp', 'btmp') AND base_name(c.path) NOT GLOB '*.db*'))
    OR c.history AND (c.op = 'unlink' AND c.existed IS NOT 0 OR c.op = 'symlink' AND c.path2 = '/dev/null' OR c.op IN ('truncate', 'replaced') AND c.existed IS NOT 0)),
wiped AS MATERIALIZED (
  SELECT d.*, EXISTS (SELECT 1 FROM shared s WHERE d.path GLOB s.pattern) AS shared,
    d.path IN (SELECT path FROM own WHERE path IS NOT NULL) AS mine,
    (SELECT max(p.seq) FROM process p WHERE p.proc = d.proc AND p.op = 'exec' AND p.seq < d.seq) AS exec
  FROM done d),
-- rotation with its scripts, and the scripts of a package's removal
keeper(proc) AS (
  SELECT proc FROM process WHERE op = 'exec' AND ((base_name(image) IN ('logrotate', 'dpkg', 'apt-get', 'apt', 'systemd-journald') OR base_name(script) = 'savelog')
      AND (image GLOB '/usr/*' OR image GLOB '/bin/*' OR image GLOB '/sbin/*' OR image GLOB '/lib/*') AND base_name(image) NOT IN ('dpkg', 'apt-get', 'apt')
    OR script GLOB '/var/lib/dpkg/info/*.prerm' OR script GLOB '/var/lib/dpkg/info/*.postrm')
  UNION SELECT l.proc FROM keeper k JOIN life l ON l.parent = k.proc)
SELECT group_concat(w.seq) AS evidence, w.proc, count(*) AS count, COALESCE(x.image, 'a program') AS subject,
  group_concat(DISTINCT w.path || w.how) AS detail,
  CASE WHEN w.history OR w.op IN ('write', 'replaced') OR w.mine OR w.path NOT GLOB '/var/log/*' THEN 'note' ELSE 'concern' END AS grade
FROM wiped w LEFT JOIN process x ON x.seq = w.exec
WHERE (w.how = ' (leads nowhere)' OR w.history OR w.shared OR NOT w.mine)
  AND (w.how = ' (leads nowhere)' OR w.op = 'replaced' OR w.history OR NOT EXISTS (SELECT 1 FROM target r WHERE r.path = w.path AND r.seq < w.seq))
  AND w.proc NOT IN (SELECT proc FROM keeper)
  AND COALESCE(base_name(x.image), '') NOT IN ('dpkg', 'apt-get', 'apt')
  AND COALESCE(x.script, '') NOT GLOB '/var/lib/dpkg/*'
  -- a history by its own shell: what it keeps is there at the end
  AND NOT (w.history AND w.op IN ('truncate', 'replaced') AND COALESCE(instr(base_name(w.path), rtrim(base_name(x.image), '0123456789.')) > 0, 0)
    AND NOT EXISTS (SELECT 1 FROM change c WHERE c.run = w.run AND c.path = w.path AND c.size = 0))
  AND NOT (w.history AND w.op = 'unlink' AND EXISTS (SELECT 1 FROM file d WHERE d.op = 'rmdir' AND d.run = w.run AND d.proc = w.proc AND d.path = dir_name(w.path)))
GROUP BY w.run, w.proc, 6
UNION ALL
SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line),
  CASE WHEN base_name(p.file) IN ('systemctl', 'auditctl') THEN 'concern' ELSE 'note' END FROM program p
WHERE p.proc NOT IN (SELECT proc FROM package_process) AND (
  (base_name(p.file) = 'journalctl' AND p.command_line LIKE '%--vacuum-%')
  OR (base_name(p.file) = 'dmesg' AND (p.command_line GLOB '* -[cC]*' OR p.command_line LIKE '%--clear%'))
  OR (base_name(p.file) = 'auditctl' AND (p.command_line GLOB '* -D*' OR p.command_line GLOB '* -e 0*' OR p.command_line GLOB '* -e0*'))
  OR (base_name(p.image) IN ('sh', 'dash', 'bash', 'zsh', 'ksh') AND (p.command_line LIKE '%HISTFILE=/dev/null%' OR p.command_line LIKE '%unset HISTFILE%'
    OR p.command_line LIKE '%history -c%' OR p.command_line GLOB '*HISTSIZE=0*' OR p.command_line GLOB '*HISTFILESIZE=0*'))
  OR (base_name(p.file) = 'systemctl' AND (p.command_line LIKE '% disable%' OR p.command_line LIKE '% mask%' OR p.command_line LIKE '% stop%')
    AND (p.command_line LIKE '%rsyslog%' OR p.command_line LIKE '%auditd%' OR p.command_line LIKE '%journald%' OR p.command_line LIKE '%syslog-ng%')))
GROUP BY p.run, p.command_line
UNION ALL
-- each shell of a user keeps none from then on
SELECT group_concat(a.seq), min(a.proc), count(*), a.place, group_concat(DISTINCT a.command), 'note' FROM autostart a
WHERE a.op IN ('added', 'changed') AND (a.command LIKE '%HISTFILE=/dev/null%' OR a.command LIKE '%unset HISTFILE%'
  OR a.command LIKE '%history -c%' OR a.command GLOB '*HISTSIZE=0*' OR a.command GLOB '*HISTFILESIZE=0*')
GROUP BY a.run, a.place
