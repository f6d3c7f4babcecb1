-- SPDX-License-Identifier: Apache-2.0
-- id: updates-disabled
-- title: The system's own updates were switched off
-- grade: concern
-- sign: defences
-- attack: T1562.001
-- why: Holes that are known stay open on this machine.
-- done: The package manager and its scripts are left out; whether updates come by another way was not looked for.
-- innocent: Administrators who update by other means do it; a product has no reason to.
SELECT evidence, proc, count, subject, detail, COALESCE(grade, 'concern') AS grade FROM (
  SELECT group_concat(c.seq) AS evidence, c.writer AS proc, count(*) AS count, c.path AS subject,
    CASE WHEN c.op = 'removed' THEN 'it no longer starts' ELSE 'masked: it leads to /dev/null' END AS detail, NULL AS grade
  FROM change c WHERE (base_name(c.path) GLOB 'apt-daily*.timer' OR base_name(c.path) GLOB 'apt-daily*.service'
      OR base_name(c.path) IN ('unattended-upgrades.service', 'dnf-automatic.timer', 'dnf-makecache.timer', 'packagekit.service', 'clamav-freshclam.service'))
    AND c.path GLOB '/etc/systemd/system/*' AND ((c.type = 'symlink' AND c.detail = '/dev/null') OR (c.op = 'removed' AND c.path GLOB '*.wants/*'))
    AND NOT EXISTS (SELECT 1 FROM package_process k WHERE k.proc = c.writer)
  GROUP BY c.run, c.path
  UNION ALL
  SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line), NULL FROM program p
  WHERE ((base_name(p.file) = 'systemctl' AND (p.command_line LIKE '% disable%' OR p.command_line LIKE '% mask%' OR p.command_line LIKE '% stop%')
        AND (p.command_line LIKE '%apt-daily%' OR p.command_line LIKE '%unattended-upgrades%' OR p.command_line LIKE '%dnf-automatic%'))
      OR (base_name(p.file) IN ('apt-get', 'apt', 'dpkg') AND p.command_line LIKE '%unattended-upgrades%'
        AND (p.command_line LIKE '% remove %' OR p.command_line LIKE '% purge %' OR p.command_line LIKE '% -P %' OR p.command_line LIKE '% -r %')))
    AND p.proc NOT IN (SELECT proc FROM package_process)
  GROUP BY p.run, p.command_line
  UNION ALL
  SELECT group_concat(a.seq), a.writer, count(*), a.place, a.name || ' ' || COALESCE(a.command, ''), NULL
  FROM autostart a WHERE a.class = 'apt' AND a.op IN ('added', 'changed')
    AND (a.command LIKE '%APT::Periodic::%"0"%' OR (a.name LIKE 'APT::Periodic::%' AND a.command IN ('0', '"0"')))
    AND NOT EXISTS (SELECT 1 FROM package_process k WHERE k.proc = a.writer)
  GROUP BY a.run, a.place
  UNION ALL
  -- nothing is taken, or this package is not
  SELECT group_concat(a.seq), a.writer, count(*), a.place, a.command, CASE WHEN a.command LIKE 'Package: *;%' THEN 'concern' ELSE 'note' END
  FROM autostart a WHERE a.class = 'apt' AND a.op IN ('added', 'changed') AND a.place GLOB '/etc/apt/preferences*' AND a.command LIKE '%Pin-Priority: -%'
    AND NOT EXISTS (SELECT 1 FROM package_process k WHERE k.proc = a.writer)
  GROUP BY a.run, a.place
  UNION ALL
  SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line), 'note' FROM program p
  WHERE base_name(p.file) = 'apt-mark' AND p.command_line LIKE '% hold %' AND p.proc NOT IN (SELECT proc FROM package_process)
  GROUP BY p.run, p.command_line
  UNION ALL
  SELECT group_concat(c.seq), c.writer, count(*), c.path, 'no source of packages is left in it', 'concern' FROM change c
  WHERE (c.path = '/etc/apt/sources.list' OR c.path GLOB '/etc/apt/sources.list.d/debian*' OR c.path GLOB '/etc/apt/sources.list.d/ubuntu*')
    AND (c.op = 'removed' OR (c.op = 'changed' AND c.size = 0))
    AND NOT EXISTS (SELECT 1 FROM package_process k WHERE k.proc = c.writer)
  GROUP BY c.run, c.path)
