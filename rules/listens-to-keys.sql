-- SPDX-License-Identifier: Apache-2.0
-- id: listens-to-keys
-- title: A program can see what is typed into other programs
-- grade: note
-- attack: T1056.001
-- why: Who sees every key sees passwords before they are encrypted.
-- innocent: Keyboard layouts, hot keys, remote desktops, accessibility tools and exam proctors do it; games ask for
--   the state of keys.
-- done: Functions for the whole screen's or machine's keys, and tools that show them; a program's own windows need none.
SELECT evidence, proc, subject, detail, grade FROM (
  SELECT group_concat(DISTINCT i.evidence) AS evidence, min(i.proc) AS proc, min(i.path) AS subject, 'takes ' || imports_for(i.import_names, 'keys') AS detail,
    CASE WHEN max(i.executed) AND i.import_names NOT LIKE '%GetAsyncKeyState%' THEN 'note' ELSE 'fact' END AS grade
  FROM file_info i WHERE ',' || i.imports || ',' LIKE '%,keys,%' GROUP BY i.sha256
  UNION ALL
  SELECT group_concat(p.seq), min(p.proc), base_name(p.file), min(p.command_line), 'note' FROM program p
  JOIN subject_process s ON s.proc = p.proc
  WHERE base_name(p.file) IN ('logkeys', 'evtest', 'showkey', 'xkeylog', 'lkl', 'xspy', 'libinput')
    OR (base_name(p.file) = 'xinput' AND p.command_line LIKE '%test%') OR (base_name(p.file) = 'xev' AND p.command_line LIKE '%-root%')
  GROUP BY base_name(p.file)
  UNION ALL
  SELECT group_concat(f.seq), f.proc, f.path, 'opened for writing: ' || f.op, 'note' FROM file f
  WHERE f.path GLOB '/dev/input/*' OR f.path GLOB '/dev/uinput' GROUP BY f.run, f.proc, f.path)
