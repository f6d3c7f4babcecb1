-- SPDX-License-Identifier: Apache-2.0
-- id: set-id-added
-- title: A program was given another user's rights for whoever starts it
-- grade: concern
-- sign: privilege
-- attack: T1548.001
-- why: A set-user-ID program of root is a way to become root that stays.
-- innocent: Packages bring such programs (crontab, ssh-agent); then the package manager put them there.
-- done: What came out of a package, by the package manager itself, is a fact.
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  COALESCE(a.command, a.op) || COALESCE(' by ' || x.file, '') AS detail,
  CASE WHEN base_name(x.file) IN ('dpkg', 'dpkg-deb', 'rpm') OR x.file GLOB '/var/lib/dpkg/info/*' OR k.proc IS NOT NULL THEN 'fact'
    WHEN a.command LIKE '%set-group-id%' AND a.command NOT LIKE '%set-user-id%' THEN 'note' ELSE 'concern' END AS grade
FROM autostart a LEFT JOIN program x ON x.seq = (SELECT max(p.seq) FROM program p WHERE p.proc = a.writer)
LEFT JOIN package_process k ON k.proc = a.writer
WHERE a.class = 'set-id' AND a.op IN ('added', 'changed') GROUP BY a.run, a.place
