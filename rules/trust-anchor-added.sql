-- SPDX-License-Identifier: Apache-2.0
-- id: trust-anchor-added
-- title: The machine was made to believe somebody else's certificates
-- grade: concern
-- attack: T1553.004
-- sign: tampering
-- why: Whoever holds the key of a trust anchor can read and change encrypted traffic.
-- innocent: VPN and company software does it and says so; the package ca-certificates maintains the list.
-- done: What the package manager's own trigger of ca-certificates wrote is left out, and a server's certificate that can sign no other and whose key openssl made here. So is OpenSSL's first configuration.
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  a.op || COALESCE(' ' || a.name, '') || COALESCE(' by ' || x.image, '') AS detail
FROM autostart a LEFT JOIN process x ON x.seq = (SELECT max(p.seq) FROM process p WHERE p.proc = a.writer AND p.op = 'exec')
WHERE a.class = 'trust-anchor' AND a.op IN ('added', 'changed')
  AND NOT (a.place GLOB '/etc/ssl/certs/*' AND COALESCE(x.script, x.image, '') GLOB '*ca-certificates*')
  AND NOT (a.op = 'added' AND a.place = '/etc/ssl/openssl.cnf')
  AND NOT (COALESCE(a.command, '') GLOB 'certificate * that can sign no other, SHA-256 *' AND EXISTS (SELECT 1 FROM autostart m
    JOIN process p ON p.proc = m.writer AND p.op = 'exec' AND p.image = '/usr/bin/openssl' AND p.command_line GLOB '* -keyout *'
    WHERE m.class = 'trust-anchor' AND m.name IS a.name AND substr(m.command, -64) = substr(a.command, -64)))
GROUP BY a.run, a.place
