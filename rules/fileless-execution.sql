-- SPDX-License-Identifier: Apache-2.0
-- id: fileless-execution
-- title: A program ran that is in no file
-- grade: concern
-- attack: T1620
-- why: Code that is executed from memory leaves nothing on the disk that could be examined later.
-- innocent: Some launchers and language runtimes pack helpers this way; the bytes are kept as an
--   object by belljar and can be looked at.
SELECT seq AS evidence, proc, image AS subject,
  'arguments: ' || COALESCE(command_line, '') AS detail
FROM process WHERE op = 'exec' AND (image LIKE '/memfd:%' OR image GLOB '/dev/shm/* (deleted)')
