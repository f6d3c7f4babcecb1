-- SPDX-License-Identifier: Apache-2.0
-- id: firewall-changed
-- title: The machine's packet filter was opened or changed
-- grade: concern
-- sign: defences
-- attack: T1562.004
-- why: The filter decides who reaches this machine, and whom its programs reach.
-- innocent: Servers, VPN clients and container managers add rules of their own; none of them has to remove all.
-- done: What only shows rules is left out. Rules that are added are notes, told once for each tool; all rules removed,
--   the filter switched off or opened for all is a concern; a chain of the program's own that it empties is none.
WITH built_in(chain) AS (VALUES ('INPUT'), ('FORWARD'), ('OUTPUT'), ('PREROUTING'), ('POSTROUTING')),
commands AS (
  SELECT p.seq, p.run, p.proc, p.command_line, base_name(p.file) AS tool, ' ' || p.command_line || ' ' AS words FROM program p
  WHERE base_name(p.file) IN ('nft', 'iptables', 'ip6tables', 'iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy',
    'xtables-nft-multi', 'xtables-legacy-multi', 'iptables-restore', 'ufw', 'firewall-cmd')
    AND p.proc NOT IN (SELECT proc FROM package_process)),
changing AS MATERIALIZED (
  -- iptables: -P is a policy and -p a protocol, -F removes all and -f is about fragments, -S shows and -s is a source
  SELECT seq, run, proc, tool, command_line, CASE WHEN words LIKE '% flush ruleset %'
      OR replace(words, ' --flush ', ' -F ') GLOB '* -F ' OR replace(words, ' --flush ', ' -F ') GLOB '* -F -*'
      OR EXISTS (SELECT 1 FROM built_in b WHERE replace(words, ' --flush ', ' -F ') GLOB '* -F ' || b.chain || ' *') OR words GLOB '* -P * ACCEPT *'
      OR words LIKE '% disable %' OR words LIKE '% reset %' OR words LIKE '%--panic-off%' THEN 'concern' ELSE 'note' END AS grade
  FROM commands WHERE words NOT GLOB '* -L*' AND words NOT LIKE '% --list%' AND words NOT GLOB '* -S *' AND words NOT LIKE '% list %'
    AND words NOT LIKE '% status %' AND words NOT LIKE '% --state %' AND words NOT LIKE '% --version %' AND words NOT GLOB '* -V *'),
added AS (
  SELECT tool, command_line, row_number() OVER (PARTITION BY tool ORDER BY min(seq)) AS nr, count(*) OVER (PARTITION BY tool) AS n
  FROM changing WHERE grade = 'note' GROUP BY tool, command_line)
SELECT group_concat(seq) AS evidence, min(proc) AS proc, count(*) AS count, tool AS subject, command_line AS detail, grade
FROM changing WHERE grade = 'concern' GROUP BY run, tool, command_line
UNION ALL
SELECT group_concat(c.seq), min(c.proc), count(*), c.tool,
  (SELECT group_concat(command_line, '; ') || CASE WHEN max(n) > 4 THEN '; and ' || (max(n) - 4) || ' more commands' ELSE '' END
    FROM (SELECT a.command_line, a.n FROM added a WHERE a.tool = c.tool AND a.nr <= 4 ORDER BY a.nr)), 'note'
FROM changing c WHERE c.grade = 'note' GROUP BY c.tool
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
