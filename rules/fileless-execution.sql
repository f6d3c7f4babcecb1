-- SPDX-License-Identifier: Apache-2.0
-- id: fileless-execution
-- title: A program ran that is in no file
-- grade: concern
-- attack: T1620
-- why: Code that is executed from memory leaves nothing on the disk that could be examined later.
-- innocent: Some launchers and language runtimes pack helpers this way; the bytes are kept as an
--   object by belljar and can be looked at.
-- done: What was given to an interpreter by a descriptor, and code that was mapped from memory, are notes; the
--   closures of libffi and the compilers of .NET and of JavaScript keep their code so.
SELECT seq AS evidence, proc, image AS subject,
  'arguments: ' || COALESCE(command_line, '') AS detail, 'concern' AS grade
FROM process WHERE op = 'exec' AND (image LIKE '/memfd:%' OR image GLOB '/* (deleted)')
UNION ALL
SELECT group_concat(p.seq), p.proc, p.image, 'by a descriptor: ' || p.command_line, 'note' FROM process p
WHERE p.op = 'exec' AND (p.command_line GLOB '* /proc/[0-9s]*/fd/[0-9]*' OR p.command_line GLOB '* /dev/fd/[0-9]*')
  AND (substr(p.command_line, instr(p.command_line, ' ') + 1) GLOB '/proc/*' OR substr(p.command_line, instr(p.command_line, ' ') + 1) GLOB '/dev/fd/*')
  AND (base_name(p.image) IN ('sh', 'bash', 'dash', 'zsh', 'ksh', 'node', 'nodejs') OR base_name(p.image) GLOB 'python*' OR base_name(p.image) GLOB 'perl*'
    OR base_name(p.image) GLOB 'ruby*' OR base_name(p.image) GLOB 'php*' OR base_name(p.image) GLOB 'ld-linux*' OR base_name(p.image) GLOB 'ld-musl*')
GROUP BY p.run, p.proc, p.command_line
UNION ALL
SELECT group_concat(m.seq), m.proc, m.path, 'mapped as code', 'note' FROM module m
WHERE m.path LIKE '/memfd:%' AND m.path NOT GLOB '/memfd:libffi*' AND m.path NOT GLOB '/memfd:doublemapper*' AND m.path NOT LIKE '/memfd:%jit%'
  AND m.path NOT GLOB '/memfd:js-*' AND NOT EXISTS (SELECT 1 FROM process p WHERE p.proc = m.proc AND p.op = 'exec' AND p.image = m.path)
GROUP BY m.run, m.proc, m.path
