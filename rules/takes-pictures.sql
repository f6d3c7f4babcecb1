-- SPDX-License-Identifier: Apache-2.0
-- id: takes-pictures
-- title: A program can take pictures of the screen
-- grade: note
-- attack: T1113
-- why: The screen shows what other programs do: mail, bank accounts, documents.
-- done: Functions for the whole screen, and tools that show it; whether one was called is not on record.
-- innocent: Screenshot tools, remote desktops, video conferences and exam proctors do it, and say so.
SELECT evidence, proc, subject, detail, grade FROM (
  SELECT group_concat(DISTINCT i.evidence) AS evidence, min(i.proc) AS proc, min(i.path) AS subject, 'takes ' || imports_for(i.import_names, 'screen') AS detail,
    CASE WHEN max(i.executed) THEN 'note' ELSE 'fact' END AS grade
  FROM file_info i WHERE ',' || i.imports || ',' LIKE '%,screen,%' GROUP BY i.sha256
  UNION ALL
  SELECT group_concat(p.seq), min(p.proc), base_name(p.file), min(p.command_line), 'note' FROM program p
  JOIN subject_process s ON s.proc = p.proc
  WHERE base_name(p.file) IN ('scrot', 'maim', 'grim', 'xwd', 'gnome-screenshot', 'spectacle', 'flameshot', 'fbgrab')
    OR (base_name(p.file) IN ('import', 'import-im6.q16') AND p.command_line LIKE '%-window%')
    OR (base_name(p.file) IN ('ffmpeg', 'gst-launch-1.0') AND (p.command_line LIKE '%x11grab%' OR p.command_line LIKE '%ximagesrc%' OR p.command_line LIKE '%kmsgrab%'))
  GROUP BY base_name(p.file))
