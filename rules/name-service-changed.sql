-- SPDX-License-Identifier: Apache-2.0
-- id: name-service-changed
-- title: Where names lead to was changed
-- grade: concern
-- attack: T1557,T1565.001
-- sign: tampering
-- why: Who answers for names decides where every program of this machine connects to.
-- innocent: VPN clients and DHCP do it while they run.
-- done: Of nsswitch.conf only the line of hosts is about names of machines; others are a note, and so is the setting up of
--   a connection or of a name server of this machine.
SELECT group_concat(seq) AS evidence, writer AS proc, count(*) AS count, path AS subject, op AS detail,
  CASE WHEN path <> '/etc/nsswitch.conf' OR EXISTS (SELECT 1 FROM autostart a WHERE a.run = change.run AND a.place = path AND a.command GLOB 'hosts:*')
    THEN 'concern' ELSE 'note' END AS grade
FROM change WHERE path IN ('/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/gai.conf', '/etc/host.conf')
  OR path GLOB '/etc/systemd/resolved.conf*' OR path GLOB '/etc/systemd/network/*' OR path GLOB '/etc/NetworkManager/conf.d/*'
GROUP BY run, path
UNION ALL
-- where a name server or a connection is set up, besides much else: the entry is about names
SELECT group_concat(a.seq), a.writer, count(*), a.place, a.name || ' ' || COALESCE(a.command, ''), 'note' FROM autostart a
WHERE a.class = 'network-hook' AND a.op IN ('added', 'changed') AND lower(a.name) IN ('ipv4/dns', 'ipv6/dns', 'dns-nameservers', 'dns-nameserver')
GROUP BY a.run, a.place
UNION ALL
SELECT group_concat(c.seq), c.writer, count(*), c.path, c.op, CASE WHEN c.path GLOB '/etc/resolvconf/*' THEN 'concern' ELSE 'note' END FROM change c
WHERE c.type = 'file' AND c.op IN ('added', 'changed') AND (c.path GLOB '/etc/resolvconf/resolv.conf.d/*' OR c.path IN ('/etc/resolvconf.conf', '/etc/dnsmasq.conf',
    '/etc/unbound/unbound.conf') OR c.path GLOB '/etc/dnsmasq.d/*' OR c.path GLOB '/etc/unbound/unbound.conf.d/*' OR c.path GLOB '/etc/dhcp/dhclient*.conf')
  AND c.writer NOT IN (SELECT proc FROM package_process)
GROUP BY c.run, c.path
UNION ALL
SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line), 'note' FROM program p
WHERE (base_name(p.file) IN ('resolvectl', 'systemd-resolve') AND (p.command_line LIKE '% dns %' OR p.command_line LIKE '%--set-dns%'))
  OR (base_name(p.file) = 'nmcli' AND p.command_line LIKE '%ipv_.dns%')
GROUP BY p.run, p.command_line
