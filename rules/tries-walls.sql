-- SPDX-License-Identifier: Apache-2.0
-- id: tries-walls
-- title: A program reached for something outside of the box
-- grade: note
-- attack: T1611
-- why: Calls like these are how programs get at the machine below; each was refused.
-- innocent: Service managers and sandboxes of their own (browsers, systemd) make namespaces and mounts.
SELECT group_concat(seq) AS evidence, proc, count(*) AS count,
  COALESCE((SELECT x.image FROM process x WHERE x.proc = a.proc AND x.op = 'exec' AND x.seq < a.seq ORDER BY x.seq DESC LIMIT 1), 'a program') AS subject,
  group_concat(DISTINCT category || ' ' || call) AS detail,
  CASE WHEN max(category IN ('module', 'memory', 'keyring', 'tty', 'handle', 'kernel')) THEN 'note' ELSE 'fact' END AS grade
FROM attempt a WHERE answer = 'refused' AND category IN ('mount', 'namespace', 'ptrace', 'memory', 'module', 'keyring', 'tty', 'handle', 'kernel', 'io_uring')
GROUP BY run, proc
