-- SPDX-License-Identifier: Apache-2.0
-- id: packed-program
-- title: A program is packed: its code cannot be read as it lies there
-- grade: note
-- attack: T1027.002
-- why: What it does can only be seen while it runs; packing also hides from scanners.
-- innocent: Packers make programs smaller, and protect bought software from being copied.
-- done: Judged by how random the executed part is, or by a packer's own mark. What was not run is a fact.
SELECT group_concat(DISTINCT evidence) AS evidence, min(proc) AS proc, min(path) AS subject,
  COALESCE(marks || '; ', '') || 'entropy of its code ' || round(max(code_entropy), 2) || ' bits a byte' AS detail,
  CASE WHEN max(executed) THEN 'note' ELSE 'fact' END AS grade
FROM file_info WHERE packed = 1 GROUP BY sha256
