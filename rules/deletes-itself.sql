-- SPDX-License-Identifier: Apache-2.0
-- id: deletes-itself
-- title: A program deleted its own file while it ran
-- grade: note
-- attack: T1070.004
-- why: What ran can no longer be found where it ran from; belljar has kept it.
-- innocent: Self-extracting installers clean up after themselves in temporary folders.
-- done: A vendor's own uninstaller that removes itself as well does what it is for: it is not told.
SELECT f.seq || ',' || x.seq AS evidence, f.proc, f.path AS subject,
  CASE WHEN f.path GLOB '/tmp/*' OR f.path GLOB '/var/tmp/*' THEN 'in a temporary folder' ELSE 'outside of the temporary folders' END AS detail
FROM file f JOIN process x ON x.op = 'exec' AND x.run = f.run AND x.seq < f.seq AND (x.image = f.path OR x.script = f.path)
  AND (x.proc = f.proc OR x.proc = (SELECT p.parent FROM process p WHERE p.proc = f.proc AND p.op = 'fork' LIMIT 1))
WHERE f.op = 'unlink' AND f.answer IS NULL AND f.reason IS NULL
  AND NOT EXISTS (SELECT 1 FROM experiment e WHERE e.experiment = 'uninstall' AND e.step = 'act' AND e.run = x.run AND e.target IN (x.proc,
    (SELECT p.parent FROM process p WHERE p.proc = x.proc AND p.op = 'fork' LIMIT 1)))
