-- SPDX-License-Identifier: Apache-2.0
-- id: name-service-changed
-- title: Where names lead to was changed
-- grade: concern
-- attack: T1557,T1565.001
-- sign: tampering
-- why: Who answers for names decides where every program of this machine connects to.
-- innocent: VPN clients and DHCP do it while they run.
SELECT group_concat(seq) AS evidence, writer AS proc, count(*) AS count, path AS subject, op AS detail
FROM change WHERE path IN ('/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/gai.conf', '/etc/host.conf')
  OR path GLOB '/etc/systemd/resolved.conf*' OR path GLOB '/etc/systemd/network/*' OR path GLOB '/etc/NetworkManager/conf.d/*'
GROUP BY run, path
