-- SPDX-License-Identifier: Apache-2.0
-- id: passwords-sent
-- title: What is in the user's stores of keys and passwords was sent out
-- grade: concern
-- sign: credentials
-- attack: T1555,T1552,T1041
-- why: Keys and passwords open other machines and accounts; no product needs those that it did not make.
-- innocent: A backup or a browser's own synchronisation sends such files, encrypted and because it was told to.
-- done: The values were made for this box and stand only in files that look like a browser's passwords, SSH keys,
--   cloud keys and .netrc: who sends one has read that file.
SELECT group_concat(c.seq) || COALESCE(',' || min(f.seq), '') AS evidence, c.proc, count(*) AS count,
  COALESCE(f.name, f.dst, 'flow ' || c.flow) || COALESCE(' port ' || f.dst_port, '') AS subject,
  group_concat(DISTINCT substr(c.value, 10) || ' (' || c.encoding || ')') AS detail
FROM canary c LEFT JOIN flow f ON f.run = c.run AND f.flow = c.flow AND f.op = 'begin'
WHERE c.value GLOB 'document:.ssh/*' OR c.value GLOB 'document:.aws/*' OR c.value GLOB 'document:.netrc*'
  OR c.value GLOB 'document:.mozilla/*' OR c.value GLOB 'document:.config/chromium/*' OR c.value GLOB 'document:.config/google-chrome/*'
GROUP BY c.run, c.proc, COALESCE(f.name, f.dst), f.dst_port
