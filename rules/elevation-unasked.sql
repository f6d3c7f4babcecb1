-- SPDX-License-Identifier: Apache-2.0
-- id: elevation-unasked
-- title: A process without root's rights started a program that becomes root, and nobody was asked
-- grade: concern
-- attack: T1548.001
-- sign: privilege
-- needs: 2
-- why: Whoever can run that program can do what it does as root.
-- innocent: sudo, su and pkexec ask for a password or for consent, and belong to the system. A mail server's
--   set-id program is started by the account of its own service: an account below 1000 is a note.
-- done: Only set-id programs that this software brought count, started by processes of a user other than
--   root.
WITH set_id AS (
  SELECT path, max(seq) AS seq FROM (
    SELECT CASE WHEN f.op = 'rename' THEN f.path2 ELSE f.path END AS path, f.seq FROM file f
    WHERE f.op IN ('chmod', 'create', 'mknod') AND f.mode & 3072 AND f.proc IN (SELECT proc FROM subject_process)
    UNION ALL
    SELECT r.path2, f.seq FROM file f JOIN file r ON r.op = 'rename' AND r.path = f.path AND r.run = f.run AND r.seq > f.seq
    WHERE f.op IN ('chmod', 'create') AND f.mode & 3072 AND f.proc IN (SELECT proc FROM subject_process)
    UNION ALL
    SELECT c.path, c.seq FROM change c WHERE c.type = 'file' AND c.mode & 3072 AND c.op IN ('added', 'changed', 'meta')
      AND c.path IN (SELECT path FROM subject_file))
  GROUP BY path)
SELECT s.seq || ',' || group_concat(DISTINCT p.seq) AS evidence, p.proc, count(*) AS count, s.path AS subject,
  'set-id, started by ' || COALESCE((SELECT q.file FROM life l JOIN program q ON q.proc = l.parent WHERE l.proc = p.proc
    ORDER BY q.seq DESC LIMIT 1), 'a program') || CASE WHEN p.uid < 1000 THEN ' of the system account ' ELSE ' of user ' END || p.uid AS detail,
  CASE WHEN max(p.uid) < 1000 THEN 'note' ELSE 'concern' END AS grade
FROM set_id s JOIN program p ON p.file = s.path AND p.uid <> 0 AND p.proc IN (SELECT proc FROM subject_process)
GROUP BY s.path
