-- SPDX-License-Identifier: Apache-2.0
-- id: time-stamps-forged
-- title: A program gave files it had just made an old date
-- grade: note
-- attack: T1070.006
-- why: A file that looks years old is not looked at when somebody searches for what is new.
-- innocent: Unpackers (tar, dpkg, zip, cp -p) give files the date that they have in the archive.
-- done: Unpackers and copying programs that are known for it are left out, and what they made, whoever touched it
--   later; only programs and scripts among the files count. Old is what is a month older than the run's beginning, by
--   the box's own date.
WITH known(name) AS (VALUES ('tar'), ('dpkg'), ('dpkg-deb'), ('unzip'), ('cp'), ('install'), ('rsync'), ('cpio'), ('bsdtar'), ('7z'), ('7za'),
    ('7zr'), ('node'), ('npm'), ('pip'), ('git'), ('mv'), ('rpm'), ('rpm2cpio'), ('ar'), ('perl'), ('busybox')),
  begun AS (SELECT r.run, COALESCE((SELECT c.date_ns FROM clock c WHERE c.run = r.run AND c.cause = 'date'), r.wall_ns) AS date_ns FROM run_begin r),
  made AS (SELECT f.seq, f.run, f.proc, f.path, (SELECT p.image FROM process p WHERE p.proc = f.proc AND p.op = 'exec' AND p.seq < f.seq
    ORDER BY p.seq DESC LIMIT 1) AS image FROM file f WHERE f.op = 'create' AND f.path IS NOT NULL),
  -- by a path, which is held; or by a descriptor, as touch(1) does, which only the file itself tells (CHANGE.mtime_set)
  dated AS (SELECT f.seq, f.run, f.proc, f.path, f.mtime_ns, (SELECT p.image FROM process p WHERE p.proc = f.proc AND p.op = 'exec' AND p.seq < f.seq
      ORDER BY p.seq DESC LIMIT 1) AS image FROM file f WHERE f.op = 'utimes' AND f.mtime_ns IS NOT NULL
    UNION ALL SELECT c.seq, c.run, m.proc, c.path, c.mtime_ns, m.image FROM change c JOIN made m ON m.run = c.run AND m.path = c.path
      WHERE c.mtime_set = 1 AND c.op = 'added'
        AND c.run || c.path NOT IN (SELECT run || path FROM made WHERE base_name(image) IN (SELECT name FROM known) OR base_name(image) GLOB 'python3*')
        AND c.run || c.path NOT IN (SELECT run || path FROM file WHERE op = 'utimes' AND path IS NOT NULL AND mtime_ns IS NOT NULL))
SELECT group_concat(DISTINCT d.seq) || ',' || group_concat(DISTINCT o.seq) AS evidence, d.proc, count(DISTINCT d.path) AS count,
  COALESCE(d.image, 'a program') AS subject, group_concat(DISTINCT d.path) AS detail
FROM dated d JOIN (SELECT seq, path, run FROM object UNION ALL SELECT seq, file, run FROM program) o ON o.run = d.run AND o.path = d.path
JOIN begun b ON b.run = d.run
WHERE d.mtime_ns < b.date_ns - 30 * 86400 * 1000000000 AND COALESCE(base_name(d.image), '') NOT IN (SELECT name FROM known)
  AND COALESCE(base_name(d.image), '') NOT GLOB 'python3*'
GROUP BY d.run, d.proc
