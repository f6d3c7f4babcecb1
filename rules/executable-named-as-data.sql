-- SPDX-License-Identifier: Apache-2.0
-- id: executable-named-as-data
-- title: A program is named like a picture, a text or an archive
-- grade: concern
-- attack: T1036.008
-- why: The name says that it is harmless, the bytes say that it can be run: somebody did not want it seen.
-- innocent: Few programs do so; some unpackers use one temporary name for all they handle.
-- done: The bytes were looked at: a picture that only has the right to be executed is none.
WITH named AS (
  SELECT evidence AS seq, path, sha256, 'its bytes are those of a program' AS what FROM file_info WHERE type <> 'other'
  UNION ALL
  SELECT seq, file, sha256, 'it was run' FROM program)
SELECT min(seq) AS evidence, path AS subject, min(what) || '; SHA-256 ' || COALESCE(max(sha256), 'unknown') AS detail
FROM named
WHERE lower(path) GLOB '*.gif' OR lower(path) GLOB '*.jp*g' OR lower(path) GLOB '*.png' OR lower(path) GLOB '*.zip'
  OR lower(path) GLOB '*.dat' OR lower(path) GLOB '*.txt' OR lower(path) GLOB '*.pdf' OR lower(path) GLOB '*.log'
GROUP BY path
