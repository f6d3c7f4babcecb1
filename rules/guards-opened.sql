-- SPDX-License-Identifier: Apache-2.0
-- id: guards-opened
-- title: Files that decide who may become root, or log in, were added or changed
-- grade: concern
-- sign: privilege
-- attack: T1548.003,T1098.004,T1556
-- why: These files decide who controls the machine: sudo, SSH keys, authentication steps, preloaded libraries.
-- innocent: Administration tools and servers install such files; then each line has a reason that can be read.
-- done: A package's own steps of authentication, and what pam-auth-update does for one, are a note; so is the
--   file of the package sudo itself, and a package's variables that load nothing and put no folder before others. The
--   steps of a new service, and modules that no step names, are a fact: they decide nothing for programs that were there
--   before. Settings of the kernel that name no program and take no wall down are left out.
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  a.class || ' ' || a.op || COALESCE(': ' || COALESCE(NULLIF(a.command, ''), NULLIF(a.name, base_name(a.place))), '') AS detail,
  CASE WHEN a.class = 'pam' AND min(a.op) = 'added' AND a.writer IN (SELECT proc FROM package_process) AND EXISTS (
      SELECT 1 FROM change c WHERE c.path = a.place AND c.run = a.run AND c.op = 'added')
      AND (a.place NOT GLOB '/etc/pam.d/*' OR base_name(a.place) NOT IN ('login', 'sshd', 'su', 'su-l', 'sudo', 'sudo-i', 'passwd', 'chfn', 'chsh',
        'newusers', 'other', 'remote', 'polkit-1', 'runuser', 'runuser-l', 'system-auth', 'password-auth') AND a.place NOT GLOB '/etc/pam.d/common-*') THEN 'fact'
    WHEN a.class = 'environment' AND a.writer IN (SELECT proc FROM package_process) AND min(COALESCE(a.command GLOB 'PATH=$PATH:*' OR a.command GLOB 'PATH=${PATH}:*'
      OR a.name GLOB 'XDG_*' OR a.name GLOB 'LC_*' OR a.name = 'LANG', 0)) THEN 'note'
    WHEN a.class IN ('polkit', 'ssh-config', 'nsswitch') OR max(a.command) = 'other bytes, the same entries' THEN 'note'
    WHEN a.writer IN (SELECT proc FROM package_process) AND (a.class = 'pam' AND (a.place NOT GLOB '/etc/pam.d/common-*'
      OR EXISTS (SELECT 1 FROM program p WHERE p.proc = a.writer AND base_name(p.file) = 'pam-auth-update')) OR a.place = '/etc/sudoers') THEN 'note' ELSE 'concern' END AS grade
FROM autostart a WHERE a.op IN ('added', 'changed')
  AND a.class IN ('sudoers', 'ssh-authorized-keys', 'ssh-config', 'pam', 'polkit', 'ld.so.preload', 'environment', 'nsswitch', 'ebpf', 'kernel-helper')
  -- of the kernel's settings those that name a program, or take a wall down
  AND NOT (a.class = 'kernel-helper' AND a.place GLOB '*/sysctl*' AND replace(lower(a.name), '/', '.') NOT GLOB '*core_pattern'
    AND replace(lower(a.name), '/', '.') NOT IN ('kernel.modprobe', 'kernel.hotplug', 'kernel.poweroff_cmd', 'kernel.modules_disabled', 'kernel.kptr_restrict',
      'kernel.dmesg_restrict', 'kernel.randomize_va_space', 'kernel.unprivileged_bpf_disabled', 'kernel.kexec_load_disabled', 'kernel.sysrq',
      'kernel.perf_event_paranoid', 'fs.suid_dumpable', 'vm.mmap_min_addr', 'vm.unprivileged_userfaultfd', 'dev.tty.ldisc_autoload')
    AND lower(a.name) NOT GLOB '*yama*' AND lower(a.name) NOT GLOB '*usermodehelper*' AND lower(a.name) NOT GLOB '*unprivileged_userns*'
    AND lower(a.name) NOT GLOB '*protected_*')
  -- polkit reads no file of another name there
  AND NOT (a.place GLOB '*/polkit-1/actions/*' AND a.place NOT GLOB '*.policy')
  AND NOT (a.place GLOB '*/polkit-1/rules.d/*' AND a.place NOT GLOB '*.rules')
  -- that one is proxy-changed's
  AND NOT (a.class = 'environment' AND (lower(a.name) LIKE '%\_proxy%' ESCAPE '\' OR lower(a.command) LIKE '%\_proxy=%' ESCAPE '\'))
  -- that one is trust-anchor-added's
  AND NOT (a.class = 'environment' AND a.name IN ('NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE',
    'GIT_SSL_CAINFO', 'NODE_TLS_REJECT_UNAUTHORIZED', 'GIT_SSL_NO_VERIFY', 'PYTHONHTTPSVERIFY'))
GROUP BY a.run, a.place, a.class
UNION ALL
-- every user may read the passwords, or write what decides
SELECT group_concat(c.seq), c.writer, count(*), c.path, COALESCE(c.detail, c.op), 'concern' FROM change c
WHERE c.op IN ('added', 'changed', 'meta') AND c.type = 'file' AND (
  (c.path IN ('/etc/shadow', '/etc/gshadow') AND c.mode & 6)
  OR (c.mode & 2 AND (c.path IN ('/etc/passwd', '/etc/group', '/etc/sudoers', '/etc/doas.conf', '/etc/ld.so.preload', '/etc/crontab', '/etc/ssh/sshd_config')
    OR c.path GLOB '/etc/sudoers.d/*' OR c.path GLOB '/etc/pam.d/*' OR c.path GLOB '/etc/polkit-1/rules.d/*')))
GROUP BY c.run, c.path
