-- SPDX-License-Identifier: Apache-2.0
-- id: users-added
-- title: A user was added, or an account was given a password or a group of administrators
-- grade: concern
-- sign: privilege
-- attack: T1136.001,T1098
-- why: An account is a way back in, and outlives the product that made it.
-- innocent: Services get an account of their own without a password or a shell.
-- done: Accounts that cannot log in are facts. Groups are left out, but for members of those that lead to root.
WITH u AS (
  SELECT a.seq, a.run, a.place, a.name, a.op, a.command, a.writer,
    -- what follows the password of a line of passwd
    substr(a.command, length(a.name) + 2 + instr(substr(a.command, length(a.name) + 2), ':')) AS ids FROM autostart a WHERE a.class = 'users' AND a.op IN ('added', 'changed'))
SELECT group_concat(seq) AS evidence, writer AS proc, count(*) AS count, name AS subject, place || ' ' || op || ': ' || COALESCE(command, '') AS detail,
  CASE WHEN place = '/etc/passwd' AND ids NOT LIKE '0:%' AND (command LIKE '%/nologin' OR command LIKE '%/false' OR command LIKE '%/sync') THEN 'fact'
    WHEN writer IN (SELECT proc FROM package_process) THEN 'note'
    WHEN place = '/etc/passwd' AND ids LIKE '0:%' AND name <> 'root' THEN 'concern'
    WHEN place = '/etc/passwd' AND command LIKE name || '::%' THEN 'concern'
    WHEN place = '/etc/group' THEN 'concern' ELSE 'note' END AS grade
FROM u WHERE (place = '/etc/passwd') OR (place = '/etc/shadow' AND COALESCE(command, '') NOT IN ('locked', ''))
  OR (place = '/etc/group' AND name IN ('root', 'sudo', 'wheel', 'adm', 'shadow', 'disk', 'docker', 'lxd') AND op = 'changed')
GROUP BY run, place, name
