-- SPDX-License-Identifier: Apache-2.0
-- id: proxy-changed
-- title: What programs say to the network was led through somebody else
-- grade: note
-- sign: tampering
-- attack: T1090,T1557
-- why: A proxy sees every name that is asked for, and what is not encrypted.
-- done: Files that hold nothing else, and entries that name a proxy; who answers there was not asked.
-- innocent: Companies and filters set proxies, by their administrator.
SELECT group_concat(c.seq) AS evidence, c.writer AS proc, count(*) AS count, c.path AS subject, c.op AS detail
FROM change c LEFT JOIN package_process k ON k.proc = c.writer
WHERE c.type = 'file' AND c.op IN ('added', 'changed') AND k.proc IS NULL
  AND (c.path GLOB '/etc/proxychains*.conf' OR c.path GLOB '/etc/privoxy/*' OR c.path GLOB '/etc/squid/*.conf' OR c.path GLOB '/etc/tsocks.conf'
    OR c.path GLOB '*/.config/kioslaverc' OR c.path GLOB '/etc/profile.d/*proxy*'
    OR c.path IN ('/etc/wgetrc', '/etc/curlrc') OR c.path GLOB '*/.curlrc' OR c.path GLOB '*/.wgetrc')
GROUP BY c.run, c.path
UNION ALL
SELECT group_concat(a.seq), a.writer, count(*), a.place, a.name || ' ' || COALESCE(a.command, '')
FROM autostart a WHERE a.op IN ('added', 'changed') AND (lower(a.name) LIKE '%\_proxy%' ESCAPE '\' OR lower(a.command) LIKE '%\_proxy=%' ESCAPE '\'
    OR (a.class = 'apt' AND lower(a.name) LIKE 'acquire::%::proxy%') OR (a.class = 'git' AND lower(a.name) LIKE 'http.%proxy')
    OR (a.place GLOB '*npmrc' AND (a.command LIKE 'proxy%=%' OR a.command LIKE 'https-proxy%=%'))
    OR (a.class = 'browser-policy' AND a.name LIKE 'Proxy%'))
GROUP BY a.run, a.place, a.name
UNION ALL
SELECT group_concat(p.seq), min(p.proc), count(*), base_name(p.file), min(p.command_line) FROM program p
WHERE (base_name(p.file) IN ('gsettings', 'dconf', 'kwriteconfig5', 'snap') AND p.command_line LIKE '%proxy%'
  AND (p.command_line LIKE '% set %' OR p.command_line LIKE '% write %' OR base_name(p.file) = 'kwriteconfig5'))
  OR (base_name(p.file) = 'npm' AND p.command_line LIKE '% set %proxy%') OR (base_name(p.file) GLOB 'pip*' AND p.command_line LIKE '% set global.proxy%')
GROUP BY p.run, p.command_line
