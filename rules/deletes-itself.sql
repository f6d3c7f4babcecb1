-- SPDX-License-Identifier: Apache-2.0
-- id: deletes-itself
-- title: A program deleted its own file while it ran
-- grade: note
-- attack: T1070.004
-- why: What ran can no longer be found where it ran from; belljar has kept it.
-- innocent: Self-extracting installers clean up after themselves in temporary folders.
-- done: The program itself, what it started, and what that started, also after it has ended. A vendor's own uninstaller that removes itself as well does what it is for: it is not told.
WITH RECURSIVE ran(path, proc, run, seq) AS MATERIALIZED (
  SELECT file, proc, run, seq FROM program UNION SELECT image, proc, run, seq FROM program
  -- the script that an interpreter was given
  UNION SELECT CASE instr(rest, ' ') WHEN 0 THEN rest ELSE substr(rest, 1, instr(rest, ' ') - 1) END, proc, run, seq FROM (
    SELECT substr(command_line, instr(command_line, ' ') + 1) AS rest, proc, run, seq FROM program
    WHERE base_name(image) GLOB 'python*' OR base_name(image) GLOB 'perl*' OR base_name(image) GLOB 'ruby*' OR base_name(image) GLOB 'php*'
      OR base_name(image) IN ('sh', 'bash', 'dash', 'zsh', 'ksh', 'node', 'nodejs', 'busybox'))),
up(seq, run, path, by, proc, steps) AS (
  SELECT f.seq, f.run, f.path, f.proc, f.proc, 0 FROM file f
  WHERE f.op = 'unlink' AND f.answer IS NULL AND f.reason IS NULL AND f.path IN (SELECT path FROM ran)
  UNION SELECT u.seq, u.run, u.path, u.by, l.parent, u.steps + 1 FROM up u JOIN life l ON l.proc = u.proc AND l.run = u.run WHERE u.steps < 4)
SELECT u.seq || ',' || max(x.seq) AS evidence, u.by AS proc, u.path AS subject,
  CASE WHEN u.path GLOB '/tmp/*' OR u.path GLOB '/var/tmp/*' THEN 'in a temporary folder' ELSE 'outside of the temporary folders' END AS detail
FROM up u JOIN ran x ON x.path = u.path AND x.proc = u.proc AND x.run = u.run AND x.seq < u.seq
WHERE NOT EXISTS (SELECT 1 FROM experiment e WHERE e.experiment = 'uninstall' AND e.step = 'act' AND e.run = x.run AND e.target IN (x.proc,
    (SELECT p.parent FROM process p WHERE p.proc = x.proc AND p.op = 'fork' LIMIT 1)))
GROUP BY u.seq, u.path
