-- SPDX-License-Identifier: Apache-2.0
-- id: guards-opened
-- title: Who may become root, or log in, was changed
-- grade: concern
-- attack: T1548.003,T1098.004,T1556
-- why: These files decide who controls the machine: sudo, SSH keys, authentication steps, preloaded libraries.
-- innocent: Administration tools and servers install such files; then each line has a reason that can be read.
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  a.class || ' ' || a.op || COALESCE(': ' || COALESCE(a.command, a.name), '') AS detail,
  CASE WHEN a.class IN ('polkit', 'ssh-config', 'nsswitch') THEN 'note' ELSE 'concern' END AS grade
FROM autostart a WHERE a.op IN ('added', 'changed')
  AND a.class IN ('sudoers', 'ssh-authorized-keys', 'ssh-config', 'pam', 'polkit', 'ld.so.preload', 'environment', 'nsswitch', 'ebpf', 'kernel-helper')
GROUP BY a.run, a.place, a.class
