-- SPDX-License-Identifier: Apache-2.0
-- id: starts-by-itself
-- title: Something was installed that starts by itself
-- grade: fact
-- attack: T1547
-- why: It runs whether or not anybody uses the product, and again after each start of the machine.
-- innocent: Services, timers and clean-up jobs of ordinary software are entries of this kind.
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  a.class || ': ' || COALESCE(a.program, a.command, a.name, '') AS detail
FROM autostart a WHERE a.op IN ('added', 'changed')
  AND COALESCE(a.command, '') NOT IN ('other bytes, the same entries', 'not executable, so it is not started')
  AND a.class IN ('systemd-system', 'systemd-timer', 'systemd-user', 'systemd-user-timer',
  'systemd-helper', 'init.d', 'rc.local', 'cron', 'at', 'xdg-autostart', 'x-session', 'shell-profile', 'udev', 'dbus', 'motd', 'inetd',
  'network-hook', 'boot', 'kernel-modules', 'container')
GROUP BY a.run, a.place, a.class
