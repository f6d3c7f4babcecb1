-- SPDX-License-Identifier: Apache-2.0
-- id: starts-by-itself
-- title: Something was installed that starts by itself, or that the system starts
-- grade: fact
-- attack: T1547
-- why: It runs whether or not anybody uses the product, and again after each start of the machine.
-- innocent: Services, timers and clean-up jobs of ordinary software are entries of this kind. Some are only
--   offered: a service's file starts nothing until it is enabled or asked for.
-- done: Told once for each program. Entries that start nothing are left out: links that stop a service, services
--   that are masked, modules that are not to be loaded, who may use a device, lists of who may use cron and settings
--   for its commands, folders and users that are made at a boot, settings, completions of a shell.
WITH entry AS (
  SELECT a.*, CASE WHEN COALESCE(a.program, '') = '' OR base_name(a.program) IN ('sh', 'dash', 'bash', 'env', 'true', 'false')
    THEN a.place ELSE a.program END AS what FROM autostart a WHERE a.op IN ('added', 'changed')
    AND COALESCE(a.command, '') NOT IN ('other bytes, the same entries', 'not executable, so it is not started')
    AND a.class IN ('systemd-system', 'systemd-timer', 'systemd-user', 'systemd-user-timer',
    'systemd-helper', 'init.d', 'rc.local', 'cron', 'at', 'xdg-autostart', 'x-session', 'shell-profile', 'udev', 'dbus', 'motd', 'inetd',
    'network-hook', 'boot', 'kernel-modules', 'container')
    AND NOT (a.class = 'init.d' AND base_name(a.place) GLOB 'K[0-9]*')
    AND NOT (a.class GLOB 'systemd-*' AND COALESCE(a.command, '') = 'masked')
    AND NOT (a.class = 'kernel-modules' AND COALESCE(a.command, '') LIKE 'blacklist %')
    AND NOT (a.class = 'udev' AND a.name = 'device access')
    AND NOT (a.class = 'cron' AND (a.place GLOB '*.allow' OR a.place GLOB '*.deny' OR COALESCE(a.command, '') LIKE COALESCE(a.name, '') || '=%'))
    AND a.place NOT GLOB '*/bash-completion/completions/*' AND a.place NOT GLOB '*/dbus-1/system.d/*'
    AND NOT (a.class = 'systemd-helper' AND COALESCE(a.program, '') = '' AND (a.place GLOB '*/systemd/*.conf' OR a.place GLOB '*/systemd/*.conf.d/*'))
    AND NOT (a.place GLOB '*/sysusers.d/*' OR (a.place GLOB '*/tmpfiles.d/*' AND COALESCE(a.command, '') NOT GLOB '[fFwCL]*')))
SELECT group_concat(seq) AS evidence, max(writer) AS proc, count(*) AS count, what AS subject,
  group_concat(DISTINCT class) || ': ' || CASE WHEN what <> min(place) OR count(DISTINCT place) > 1 THEN 'by ' || min(place)
      || CASE count(DISTINCT place) WHEN 1 THEN '' WHEN 2 THEN ' and one more entry' ELSE ' and ' || (count(DISTINCT place) - 1) || ' more entries' END
    -- of a script all lines are its command
    ELSE substr(COALESCE(min(command), min(name), ''), 1, 200) || CASE WHEN length(min(command)) > 200 THEN ' …' ELSE '' END END AS detail
FROM entry GROUP BY run, what
