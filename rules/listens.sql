-- SPDX-License-Identifier: Apache-2.0
-- id: listens
-- title: A program waits for connections
-- grade: fact
-- attack: T1205
-- why: Whoever reaches this machine's port can talk with the program. A port on the loopback address is reached by
--   every page in the user's browser, and by every user of the machine.
-- innocent: Servers do this; the question is whether this one says so and why it needs it.
SELECT group_concat(s.seq) AS evidence, s.proc, count(*) AS count, COALESCE(s.address, '?') || ' port ' || COALESCE(s.port, 0) AS subject,
  COALESCE((SELECT x.image FROM process x WHERE x.proc = s.proc AND x.op = 'exec' AND x.seq < s.seq ORDER BY x.seq DESC LIMIT 1), '')
    || CASE WHEN s.address GLOB '127.*' OR s.address = '::1' THEN ', for programs and web pages on this machine' ELSE ', for other machines, too' END AS detail
FROM socket s WHERE s.op = 'listen' AND s.family IN ('inet', 'inet6')
GROUP BY s.run, s.proc, s.address, s.port
