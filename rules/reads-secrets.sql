-- SPDX-License-Identifier: Apache-2.0
-- id: reads-secrets
-- title: Keys and passwords of the user were opened
-- grade: note
-- sign: credentials
-- attack: T1552.001,T1552.004,T1555.003
-- why: SSH keys, cloud keys and a browser's passwords open other machines and accounts.
-- innocent: Backups, file managers, searches and migration helpers open every file that they find; git and ssh read the keys
--   that they are for.
-- done: The files were made for this box, and no program of it needs them; curl, wget and git, which read .netrc, and ssh,
--   which reads its keys, are left out. What was sent out is another rule's. Who opened a file only for a moment is not known.
SELECT group_concat(f.seq) AS evidence, f.proc, count(*) AS count, COALESCE(x.file, 'a program of this run') AS subject,
  group_concat(DISTINCT f.path) AS detail
FROM file f LEFT JOIN program x ON x.seq = (SELECT max(p.seq) FROM program p WHERE p.proc = f.proc AND p.seq < f.seq)
WHERE f.op = 'read-decoy' AND (f.path GLOB '*/.ssh/*' OR f.path GLOB '*/.aws/*' OR f.path GLOB '*/.netrc' OR f.path GLOB '*/.mozilla/*logins.json'
    OR f.path GLOB '*/.config/*/Login Data')
  AND NOT (f.path GLOB '*/.netrc' AND COALESCE(base_name(x.file), '') IN ('curl', 'wget', 'git', 'git-remote-https', 'ftp', 'lftp'))
  AND NOT (f.path GLOB '*/.ssh/*' AND COALESCE(base_name(x.file), '') IN ('ssh', 'ssh-add', 'ssh-agent', 'ssh-keygen', 'scp', 'sftp'))
GROUP BY f.run, f.proc
