-- SPDX-License-Identifier: Apache-2.0
-- id: executable-named-as-data
-- title: A program is named like a picture, a text or an archive
-- grade: concern
-- attack: T1036.008
-- why: The name says that it is harmless, the bytes say that it can be run: somebody did not want it seen.
-- innocent: Few programs do so; some unpackers use one temporary name for all they handle.
-- done: The bytes were looked at: a picture that only has the right to be executed is none. A script is text: one that is
--   named so, as examples in documents are, counts when it was run or given to an interpreter.
WITH named AS (
  SELECT evidence AS seq, path, sha256, 'its bytes are those of a program' AS what FROM file_info i WHERE type <> 'other'
    AND (type <> 'script' OR NOT (lower(path) GLOB '*.txt' OR lower(path) GLOB '*.log') OR EXISTS (
      SELECT 1 FROM program p WHERE instr(p.command_line, base_name(i.path)) AND (base_name(p.image) GLOB 'python*' OR base_name(p.image) GLOB 'perl*'
        OR base_name(p.image) GLOB 'ruby*' OR base_name(p.image) GLOB 'php*'
        OR base_name(p.image) IN ('sh', 'bash', 'dash', 'zsh', 'ksh', 'node', 'nodejs', 'busybox'))))
  UNION ALL
  SELECT seq, file, sha256, 'it was run' FROM program)
SELECT min(seq) AS evidence, path AS subject, min(what) || '; SHA-256 ' || COALESCE(max(sha256), 'unknown') AS detail
FROM named
WHERE lower(path) GLOB '*.gif' OR lower(path) GLOB '*.jp*g' OR lower(path) GLOB '*.png' OR lower(path) GLOB '*.zip'
  OR lower(path) GLOB '*.dat' OR lower(path) GLOB '*.txt' OR lower(path) GLOB '*.pdf' OR lower(path) GLOB '*.log'
GROUP BY path
