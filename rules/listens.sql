-- SPDX-License-Identifier: Apache-2.0
-- id: listens
-- title: A program waits for connections
-- grade: fact
-- attack: T1205
-- why: Whoever reaches this machine's port can talk with the program. A port on the loopback address is reached by
--   every page in the user's browser, and by every user of the machine.
-- done: Not tried to reach; a port for datagrams counts where the program chose its number.
-- innocent: Servers do this; the question is whether this one says so and why it needs it.
WITH listening AS (
  SELECT s.*, COALESCE((WITH RECURSIVE up(proc, steps) AS (SELECT s.proc, 0 UNION ALL SELECT l.parent, steps + 1 FROM up JOIN life l ON l.proc = up.proc WHERE steps < 8)
    SELECT p.file FROM up JOIN program p ON p.proc = up.proc WHERE p.seq < s.seq ORDER BY steps, p.seq DESC LIMIT 1), 'a program') AS image
  FROM socket s WHERE s.family IN ('inet', 'inet6') AND (s.op = 'listen'
    -- who only asks lets the system choose the port, or takes one of those that are for it
    OR (s.op = 'bind' AND s.protocol = 'udp' AND s.port BETWEEN 1 AND 32767 AND s.port <> 68 AND s.answer IS NOT 'refused')))
SELECT group_concat(seq) AS evidence, min(proc) AS proc, count(*) AS count, COALESCE(address, '?') || ' port ' || COALESCE(port, 0) AS subject,
  image || CASE WHEN address GLOB '127.*' OR address = '::1' THEN ', for programs and web pages on this machine' ELSE ', for other machines, too' END AS detail
FROM listening GROUP BY image, address, port
