-- SPDX-License-Identifier: Apache-2.0
-- id: reads-time-counter
-- title: A program can read the processor's own time counter, which time-lapse does not change
-- grade: fact
-- attack: T1497.003
-- why: By it a program can notice that the box's clock was put forward, and then behave. What it did
--   in this run may not be what it does elsewhere.
-- innocent: Runtimes (Go, Java), games and programs that measure themselves read it too.
-- done: Only programs that were run while the box's clock jumped, and whose bytes are kept: not the
--   system's own, and not what belljar itself had put into the box (its stand-in for the service manager).
--   That the code is there does not say that it was reached.
SELECT group_concat(DISTINCT i.evidence) AS evidence, min(i.proc) AS proc, min(i.path) AS subject,
  'rdtsc or rdtscp is in its code' AS detail
FROM file_info i WHERE ',' || i.marks || ',' LIKE '%,time-counter,%' AND i.executed
  AND EXISTS(SELECT 1 FROM process p JOIN clock c ON c.run = p.run WHERE p.sha256 = i.sha256 AND p.op = 'exec')
  AND i.sha256 NOT IN (SELECT c.sha256 FROM change c JOIN experiment e ON e.run = c.run AND e.experiment = 'control' AND e.step = 'begin'
    WHERE c.sha256 IS NOT NULL)
GROUP BY i.sha256
