-- SPDX-License-Identifier: Apache-2.0
-- id: time-stamps-forged
-- title: A program gave files it had just made an old date
-- grade: note
-- attack: T1070.006
-- why: A file that looks years old is not looked at when somebody searches for what is new.
-- innocent: Whoever unpacks an archive, or copies files with their dates, gives them the date that they had there.
-- done: Only programs and scripts count, with a date a month before the run's beginning, by the box's own date. Left out are: what
--   a tool of the system dates that has written the file itself and runs nobody's code, as those that unpack and copy do; files of
--   a process that has dated nine of ten files it made, programs and others, four and more; and a copy with the date of its original.
WITH programs(path, run) AS MATERIALIZED (SELECT path, run FROM object UNION SELECT file, run FROM program),
  -- a date by a path is told when it is set; one by a descriptor, as touch(1) does it, only the file itself tells
  set_by_path AS MATERIALIZED (SELECT f.seq, f.run, f.proc, f.path, f.mtime_ns FROM file f WHERE f.op = 'utimes' AND f.mtime_ns IS NOT NULL AND f.path IS NOT NULL),
  found AS MATERIALIZED (SELECT c.seq, c.run, c.path, c.mtime_ns, c.sha256 FROM change c WHERE c.mtime_set = 1 AND c.op = 'added'),
  moved AS MATERIALIZED (SELECT f.seq, f.run, f.path, f.path2 FROM file f WHERE f.op = 'rename' AND f.answer IS NOT 'refused' AND f.reason IS NULL),
  -- whoever opened a file to write it, under the name that it has in the end; fresh: nothing is left of what was in it (512: O_TRUNC)
  opens AS MATERIALIZED (
    SELECT f.seq, f.run, f.proc, f.path, f.existed IS NOT 1 OR COALESCE(f.flags, 0) & 512 <> 0 AS fresh FROM file f
    WHERE f.op IN ('create', 'write', 'open') AND f.answer IS NOT 'refused' AND f.reason IS NULL),
  opened AS MATERIALIZED (
    SELECT seq, run, proc, path, fresh FROM opens
    UNION SELECT o.seq, o.run, o.proc, m.path2, o.fresh FROM moved m JOIN opens o ON o.path = m.path AND o.run = m.run AND o.seq < m.seq),
  dated AS (
    SELECT seq, run, proc, path, mtime_ns FROM set_by_path
    UNION ALL SELECT s.seq, s.run, s.proc, m.path2, s.mtime_ns FROM set_by_path s JOIN moved m ON m.path = s.path AND m.run = s.run AND m.seq > s.seq
    UNION ALL SELECT c.seq, c.run, (SELECT o.proc FROM opened o WHERE o.path = c.path AND o.run = c.run AND o.seq < c.seq ORDER BY o.seq DESC LIMIT 1), c.path, c.mtime_ns
      FROM found c WHERE c.run || c.path NOT IN (SELECT run || path FROM set_by_path)
        AND c.run || c.path NOT IN (SELECT m.run || m.path2 FROM moved m JOIN set_by_path s ON s.path = m.path AND s.run = m.run)),
  old AS MATERIALIZED (
    SELECT d.seq, d.run, d.proc, d.path, d.mtime_ns,
      (SELECT b.program FROM became b WHERE b.proc = d.proc AND b.since <= d.seq ORDER BY b.since DESC LIMIT 1) AS program,
      -- it wrote the file, or who works for it did, as dpkg-deb for dpkg; nothing is known of a file that is older
      (SELECT o.fresh AND (o.proc = d.proc OR EXISTS (SELECT 1 FROM life l LEFT JOIN life g ON g.proc = l.parent
          LEFT JOIN life h ON h.proc = g.parent WHERE l.proc = o.proc AND d.proc IN (l.parent, g.parent, h.parent)))
        FROM opened o WHERE o.path = d.path AND o.run = d.run AND o.seq < d.seq ORDER BY o.fresh DESC, o.seq DESC LIMIT 1) AS own
    FROM dated d JOIN run_date b ON b.run = d.run
    WHERE d.mtime_ns < b.date_ns - 30 * 86400 * 1000000000 AND EXISTS (SELECT 1 FROM programs p WHERE p.path = d.path AND p.run = d.run)),
  -- all that these processes made and that is still there, or was dated by its path
  made AS MATERIALIZED (SELECT DISTINCT o.proc, o.path, o.run FROM opened o WHERE o.fresh AND o.proc IN (SELECT proc FROM old)),
  batch AS MATERIALIZED (
    SELECT m.proc FROM made m
      LEFT JOIN (SELECT run, path FROM found UNION SELECT run, path FROM set_by_path) s ON s.run = m.run AND s.path = m.path
      LEFT JOIN (SELECT DISTINCT run, path FROM change WHERE op = 'added' AND type = 'file') c ON c.run = m.run AND c.path = m.path
      LEFT JOIN programs p ON p.run = m.run AND p.path = m.path
    WHERE s.path IS NOT NULL OR c.path IS NOT NULL
    GROUP BY m.proc HAVING count(s.path) >= 4 AND 10 * count(s.path) >= 9 * count(*) AND count(s.path) > count(p.path)),
  copies AS MATERIALIZED (
    SELECT DISTINCT o.seq FROM old o JOIN change c ON c.run = o.run AND c.path = o.path AND c.sha256 IS NOT NULL
      JOIN change s ON s.sha256 = c.sha256 AND s.path <> c.path AND s.mtime_ns / 1000000000 = o.mtime_ns / 1000000000
    WHERE NOT EXISTS (SELECT 1 FROM opened w WHERE w.path = s.path AND w.proc = o.proc))
SELECT group_concat(DISTINCT o.seq) || ',' || group_concat(DISTINCT e.seq) AS evidence, o.proc, count(DISTINCT o.path) AS count,
  COALESCE(x.image, 'a program') AS subject, group_concat(DISTINCT o.path) AS detail
FROM old o LEFT JOIN program x ON x.seq = o.program
  JOIN (SELECT seq, path, run FROM object UNION ALL SELECT seq, file, run FROM program) e ON e.run = o.run AND e.path = o.path
WHERE o.proc NOT IN (SELECT proc FROM batch) AND o.seq NOT IN (SELECT seq FROM copies)
  -- a tool that came with the system, or from a package where no installer is judged, and is no interpreter of something else
  AND NOT (COALESCE(o.own, 1) AND x.file NOT IN (SELECT f.path FROM subject_file f
      WHERE f.proc NOT IN (SELECT proc FROM package_process) OR EXISTS (SELECT 1 FROM program i WHERE i.cause = 'install'))
    AND (x.file GLOB '/usr/*' OR x.file GLOB '/bin/*' OR x.file GLOB '/sbin/*') AND x.file NOT GLOB '/usr/local/*'
    AND (x.file <> x.image OR NOT (base_name(x.image) GLOB 'python*' OR base_name(x.image) GLOB 'perl*' OR base_name(x.image) GLOB 'ruby*'
      OR base_name(x.image) GLOB 'php*' OR base_name(x.image) GLOB 'lua*' OR base_name(x.image) IN ('node', 'nodejs', 'bash', 'dash', 'sh', 'awk', 'gawk', 'mawk', 'java'))))
GROUP BY o.run, o.proc
