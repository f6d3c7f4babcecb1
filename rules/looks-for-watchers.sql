-- SPDX-License-Identifier: Apache-2.0
-- id: looks-for-watchers
-- title: A program asks whether it is watched or runs in a virtual machine
-- grade: fact
-- attack: T1622,T1497.001
-- why: A program that behaves while it is watched shows less than it does.
-- innocent: Protection against copying and against cheating does it, and so do installers that choose drivers.
-- done: Calls that name themselves, programs that exist for it, and functions that a file takes (IsDebuggerPresent is in
--   most that Microsoft's compiler makes). Reading /proc/self/status or the firmware's tables leaves no trace in the record.
SELECT evidence, proc, subject, detail FROM (
  SELECT group_concat(a.seq) AS evidence, a.proc, COALESCE((SELECT x.image FROM process x WHERE x.proc = a.proc AND x.op = 'exec'
      AND x.seq < a.seq ORDER BY x.seq DESC LIMIT 1), 'a program') AS subject, a.call || ' ' || min(a.args) AS detail
  FROM attempt a WHERE a.call = 'ptrace' AND a.args LIKE '%TRACEME%' GROUP BY a.run, a.proc
  UNION ALL
  SELECT group_concat(p.seq), min(p.proc), base_name(p.file), min(p.command_line) FROM program p
  WHERE base_name(p.file) IN ('systemd-detect-virt', 'virt-what', 'dmidecode', 'imvirt', 'lshw') GROUP BY base_name(p.file)
  UNION ALL
  SELECT group_concat(DISTINCT evidence), min(proc), min(path), 'takes ' || what || CASE count(DISTINCT sha256) WHEN 1 THEN '' ELSE ', as ' || count(DISTINCT sha256) || ' files do' END
    || CASE WHEN executed THEN '' WHEN count(DISTINCT sha256) = 1 THEN '; was not run' ELSE '; none of them was run' END
  FROM (SELECT evidence, proc, path, sha256, executed, imports_for(import_names, 'debug') AS what FROM file_info
    WHERE ',' || imports || ',' LIKE '%,debug,%')
  GROUP BY what, executed)
