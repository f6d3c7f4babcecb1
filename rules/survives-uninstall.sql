-- SPDX-License-Identifier: Apache-2.0
-- id: survives-uninstall
-- title: The product was removed, and programs that came with it are still there
-- grade: concern
-- attack: T1543
-- sign: survives
-- needs: 2
-- why: Whoever removes the product believes that it is gone.
-- innocent: Settings, logs, empty folders and packages that it depended on remain by policy; they do not
--   run. A part that another product uses as well can remain. npm runs no script of a package at its
--   removal: what its install scripts have set up stays, unless the vendor says how it is removed.
-- done: It was looked for right after the removal, after a restart, and three hours later. What
--   ran after the restart and still then is a concern; what could be run, and came with this install, is a note. What is part of a
--   package that came along and is still installed is a fact: it can be removed by that package's name.
WITH removal AS (
  SELECT max(until) AS seq FROM experiment WHERE experiment = 'uninstall' AND step = 'begin'),
looks AS (
  SELECT experiment AS look, run, max(seq) AS seq, max(until) AS until FROM experiment
  WHERE experiment IN ('look-0', 'look-restart', 'look-3h') AND step IN ('begin', 'look') GROUP BY experiment, run),
running AS (
  -- an interpreter, a shell: what came with the product is what it was given
  SELECT k.look, p.file, p.command_line, p.seq, l.proc, CASE WHEN p.file IN (SELECT path FROM subject_file) THEN p.file
    ELSE (SELECT path FROM (SELECT s.path, instr(p.command_line, s.path) AS place FROM subject_file s WHERE s.path NOT GLOB '/dev/*')
      WHERE place > 0 ORDER BY place, length(path) DESC LIMIT 1) END AS what
  FROM looks k JOIN life l ON l.run = k.run AND COALESCE(l.died, 9223372036854775807) > k.seq
  JOIN program p ON p.seq = (SELECT r.program FROM became r WHERE r.proc = l.proc AND r.since < k.until ORDER BY r.since DESC LIMIT 1)
  WHERE l.proc IN (SELECT proc FROM subject_process)
    AND COALESCE(l.died, 9223372036854775807) > k.until AND k.seq > (SELECT seq FROM removal)),
told AS (
  SELECT r.*, (SELECT max(x.explained) FROM residue x WHERE x.what = 'process' AND x.path = r.file AND x.writer = r.proc) AS explained
  FROM running r WHERE r.what IS NOT NULL),
-- files that only have the right to be executed
data AS (
  SELECT path FROM file_info GROUP BY path HAVING max(COALESCE(type, '') <> 'other' AND size > 0) = 0
    AND path NOT GLOB '*.so*' AND path NOT GLOB '*.py' AND path NOT GLOB '*.pyc' AND path NOT GLOB '*.js' AND path NOT GLOB '*.jar' AND path NOT GLOB '*.pl'
    AND path NOT GLOB '*.rb' AND path NOT GLOB '*.sh' AND path NOT GLOB '*.node'),
left_over AS (
  SELECT what, CASE WHEN min(file <> what) THEN min(command_line) END AS given, substr(CASE WHEN max(look = 'look-0') THEN ', right after the removal' ELSE '' END
      || CASE WHEN max(look = 'look-restart') THEN ', after a restart' ELSE '' END
      || CASE WHEN max(look = 'look-3h') THEN ', three hours later' ELSE '' END, 3) AS at, max(look = 'look-0') AS first, count(DISTINCT look) AS n, max(proc) AS proc, group_concat(DISTINCT seq) AS evidence,
    CASE WHEN count(explained) = count(*) THEN max(explained) END AS explained
  FROM told GROUP BY what)
SELECT (SELECT seq FROM removal) || ',' || r.evidence AS evidence, r.proc, r.what AS subject,
  CASE WHEN r.n = 3 THEN 'runs right after the removal, after a restart, and three hours later' ELSE 'runs ' || r.at END
    || CASE WHEN r.first AND r.n = 1 THEN '; not after a restart' ELSE '' END || COALESCE('; as ' || r.given, '') || COALESCE('; ' || r.explained, '')
    || COALESCE('; started by ' || (SELECT a.place FROM autostart a WHERE a.op = 'started' AND a.seq > (SELECT seq FROM removal)
        AND (a.program = r.what OR a.command LIKE r.what || ' %') LIMIT 1), '') AS detail,
  CASE WHEN r.explained IS NOT NULL THEN 'fact' WHEN r.n = 3 OR (r.n = 2 AND NOT r.first) THEN 'concern' ELSE 'note' END AS grade
FROM left_over r
UNION ALL
SELECT (SELECT seq FROM removal) || ',' || group_concat(x.seq), max(x.writer),
  CASE WHEN count(DISTINCT x.path) = 1 THEN min(x.path) ELSE dir_name(x.path) || '/' END,
  count(DISTINCT x.path) || CASE WHEN x.grade <> 'R1' THEN ' that can be run' WHEN count(DISTINCT x.path) = 1 THEN ' that starts by itself or gives rights'
    ELSE ' that start by themselves or give rights' END
    || ', left ' || replace(replace(replace(replace(group_concat(DISTINCT x.experiment), 'look-0', 'right after the removal'),
      'look-restart', 'after a restart'), 'look-3h', 'three hours later'), ',', ', ') || ': ' || group_concat(DISTINCT base_name(x.path)), 'note'
FROM residue x WHERE x.grade IN ('R1', 'R3') AND x.path NOT IN (SELECT path FROM data) AND x.explained IS NULL AND x.what IN ('autostart', 'added')
  AND x.writer IN (SELECT proc FROM subject_process) AND x.path NOT IN (SELECT what FROM left_over)
GROUP BY dir_name(x.path), x.grade
