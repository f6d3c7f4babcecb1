-- SPDX-License-Identifier: Apache-2.0
-- id: trust-anchor-added
-- title: The machine was made to believe somebody else's certificates
-- grade: concern
-- attack: T1553.004
-- sign: tampering
-- why: Whoever holds the key of a trust anchor can read and change encrypted traffic.
-- innocent: VPN and company software does it and says so; the package ca-certificates maintains the list.
-- done: What the package manager's own trigger of ca-certificates wrote is left out, and a server's certificate that can sign no other and whose key openssl made here. So is OpenSSL's first configuration.
--   A key for apt, which a vendor's own packages need, is a note, and so is what a package's scripts tell programs to believe.
WITH variable(name) AS (VALUES ('NODE_EXTRA_CA_CERTS'), ('SSL_CERT_FILE'), ('SSL_CERT_DIR'), ('CURL_CA_BUNDLE'), ('REQUESTS_CA_BUNDLE'),
  ('GIT_SSL_CAINFO'), ('NODE_TLS_REJECT_UNAUTHORIZED'), ('GIT_SSL_NO_VERIFY'), ('PYTHONHTTPSVERIFY'))
SELECT group_concat(a.seq) AS evidence, a.writer AS proc, count(*) AS count, a.place AS subject,
  a.op || COALESCE(' ' || a.name, '') || COALESCE(' by ' || x.image, '') AS detail, 'concern' AS grade
FROM autostart a LEFT JOIN process x ON x.seq = (SELECT max(p.seq) FROM process p WHERE p.proc = a.writer AND p.op = 'exec')
WHERE a.class = 'trust-anchor' AND COALESCE(a.name, '') NOT IN ('Certificates', 'CACertificates', 'CAHintCertificates') AND a.op IN ('added', 'changed')
  AND NOT (a.place GLOB '/etc/ssl/certs/*' AND COALESCE(x.script, x.image, '') GLOB '*ca-certificates*')
  AND NOT (a.op = 'added' AND a.place = '/etc/ssl/openssl.cnf')
  AND NOT (COALESCE(a.command, '') GLOB 'certificate * that can sign no other, SHA-256 *' AND EXISTS (SELECT 1 FROM autostart m
    JOIN process p ON p.proc = m.writer AND p.op = 'exec' AND p.image = '/usr/bin/openssl' AND p.command_line GLOB '* -keyout *'
    WHERE m.class = 'trust-anchor' AND m.name IS a.name AND substr(m.command, -64) = substr(a.command, -64)))
GROUP BY a.run, a.place
UNION ALL
-- programs are told where to look for anchors, or not to look
SELECT seq, proc, count, subject, detail, CASE WHEN grade = 0 OR proc IN (SELECT proc FROM package_process) THEN 'note' ELSE 'concern' END FROM (
  SELECT group_concat(a.seq) AS seq, a.writer AS proc, count(*) AS count, a.place AS subject, a.name || ' ' || COALESCE(a.command, '') AS detail,
    a.class <> 'apt' AS grade
  FROM autostart a WHERE a.op IN ('added', 'changed') AND (
    (a.class IN ('browser-policy', 'trust-anchor') AND a.name IN ('Certificates', 'CACertificates', 'CAHintCertificates'))
    OR (a.class = 'git' AND lower(a.name) IN ('http.sslcainfo', 'http.sslcapath', 'http.sslverify'))
    OR (a.class = 'apt' AND (a.place GLOB '/etc/apt/trusted.gpg*' OR a.place GLOB '*/keyrings/*'))
    OR (a.class NOT IN ('cron', 'apt') AND EXISTS (SELECT 1 FROM variable v
      WHERE a.name = v.name OR ' ' || COALESCE(a.command, '') LIKE '% ' || replace(v.name, '_', '\_') || '=%' ESCAPE '\'))
    OR (a.place GLOB '*npmrc' AND (a.command LIKE 'cafile=%' OR a.command LIKE 'ca=%' OR replace(a.command, ' ', '') LIKE 'strict-ssl=false%')))
  GROUP BY a.run, a.place, a.name)
