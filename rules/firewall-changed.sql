-- SPDX-License-Identifier: Apache-2.0
-- id: firewall-changed
-- title: The machine's packet filter was opened or changed
-- grade: concern
-- sign: defences
-- attack: T1562.004
-- why: The filter decides who reaches this machine, and whom its programs reach.
-- innocent: Servers, VPN clients and container managers add rules of their own; none of them has to remove all.
-- done: What only shows rules is left out. Rules that are added are notes; all rules removed, the filter switched
--   off or opened for all is a concern.
WITH commands AS (
  SELECT p.seq, p.run, p.proc, p.command_line, base_name(p.file) AS tool, ' ' || p.command_line || ' ' AS words FROM program p
  WHERE base_name(p.file) IN ('nft', 'iptables', 'ip6tables', 'iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy',
    'xtables-nft-multi', 'xtables-legacy-multi', 'iptables-restore', 'ufw', 'firewall-cmd')
    AND p.proc NOT IN (SELECT proc FROM package_process))
SELECT group_concat(seq) AS evidence, min(proc) AS proc, count(*) AS count, tool AS subject, command_line AS detail,
  CASE WHEN words LIKE '% flush ruleset %' OR words LIKE '% -F %' OR words LIKE '% --flush %' OR words LIKE '% -P % ACCEPT %'
      OR words LIKE '% disable %' OR words LIKE '% reset %' OR words LIKE '%--panic-off%' THEN 'concern' ELSE 'note' END AS grade
FROM commands WHERE words NOT LIKE '% -L%' AND words NOT LIKE '% --list%' AND words NOT LIKE '% -S %' AND words NOT LIKE '% list %'
  AND words NOT LIKE '% status %' AND words NOT LIKE '% --state %' AND words NOT LIKE '% --version %' AND words NOT LIKE '% -V %'
GROUP BY run, tool, command_line
UNION ALL
SELECT group_concat(p.seq), min(p.proc), count(*), 'systemctl', p.command_line, 'concern' FROM program p
WHERE base_name(p.file) = 'systemctl' AND (p.command_line LIKE '% disable%' OR p.command_line LIKE '% mask%' OR p.command_line LIKE '% stop%')
  AND (p.command_line LIKE '%ufw%' OR p.command_line LIKE '%nftables%' OR p.command_line LIKE '%firewalld%' OR p.command_line LIKE '%iptables%')
  AND p.proc NOT IN (SELECT proc FROM package_process)
GROUP BY p.run, p.command_line
UNION ALL
SELECT group_concat(c.seq), c.writer, count(*), c.path, c.op, 'note' FROM change c
WHERE c.type = 'file' AND (c.path = '/etc/nftables.conf' OR c.path GLOB '/etc/nftables.d/*' OR c.path GLOB '/etc/iptables/*' OR c.path GLOB '/etc/ufw/*.rules'
    OR c.path = '/etc/ufw/ufw.conf' OR c.path GLOB '/etc/firewalld/zones/*') AND c.writer NOT IN (SELECT proc FROM package_process)
GROUP BY c.run, c.path
