-- SPDX-License-Identifier: Apache-2.0
-- id: tries-walls
-- title: A program asked for something that the box refuses
-- grade: note
-- attack: T1611
-- why: Calls like these are how programs get at the machine below, or past what records them; each was refused.
-- done: Each was refused. What sandboxes and databases ask for is a fact.
-- innocent: Service managers and sandboxes of their own (browsers, systemd) make namespaces and mounts; databases
--   ask for io_uring to be faster, and do without; the system's own login tools make keyrings.
WITH refused AS (
  SELECT a.*, COALESCE((WITH RECURSIVE up(proc, steps) AS (SELECT a.proc, 0 UNION ALL SELECT l.parent, steps + 1 FROM up JOIN life l ON l.proc = up.proc WHERE steps < 8)
    SELECT p.image FROM up JOIN program p ON p.proc = up.proc WHERE p.seq < a.seq ORDER BY steps, p.seq DESC LIMIT 1), 'a program') AS image
  FROM attempt a WHERE answer = 'refused' AND category IN ('mount', 'namespace', 'ptrace', 'memory', 'module', 'keyring', 'tty', 'handle', 'kernel', 'io_uring'))
SELECT group_concat(seq) AS evidence, min(proc) AS proc, count(*) AS count, image AS subject,
  group_concat(DISTINCT category || ' ' || call) AS detail,
  CASE WHEN max(category IN ('module', 'memory', 'tty', 'handle', 'kernel')) OR (max(category = 'keyring') AND image IN (SELECT path FROM subject_file)) THEN 'note' ELSE 'fact' END AS grade
FROM refused GROUP BY image
