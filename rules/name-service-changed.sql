-- SPDX-License-Identifier: Apache-2.0
-- id: name-service-changed
-- title: Where names lead to was changed
-- grade: concern
-- attack: T1557,T1565.001
-- sign: tampering
-- why: Who answers for names decides where every program of this machine connects to.
-- innocent: VPN clients and DHCP do it while they run.
-- done: Of nsswitch.conf only the line of hosts is about names of machines; others are a note.
SELECT group_concat(seq) AS evidence, writer AS proc, count(*) AS count, path AS subject, op AS detail,
  CASE WHEN path <> '/etc/nsswitch.conf' OR EXISTS (SELECT 1 FROM autostart a WHERE a.run = change.run AND a.place = path AND a.command GLOB 'hosts:*')
    THEN 'concern' ELSE 'note' END AS grade
FROM change WHERE path IN ('/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/gai.conf', '/etc/host.conf')
  OR path GLOB '/etc/systemd/resolved.conf*' OR path GLOB '/etc/systemd/network/*' OR path GLOB '/etc/NetworkManager/conf.d/*'
GROUP BY run, path
