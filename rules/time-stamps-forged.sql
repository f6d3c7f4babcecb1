-- SPDX-License-Identifier: Apache-2.0
-- id: time-stamps-forged
-- title: A program gave files it had just made an old date
-- grade: note
-- attack: T1070.006
-- why: A file that looks years old is not looked at when somebody searches for what is new.
-- innocent: Unpackers (tar, dpkg, zip, cp -p) give files the date that they have in the archive.
-- done: Unpackers and copying programs that are known for it are left out, and only programs and scripts
--   among the files count.
SELECT group_concat(DISTINCT f.seq) || ',' || group_concat(DISTINCT o.seq) AS evidence, f.proc, count(DISTINCT f.path) AS count,
  COALESCE(x.image, 'a program') AS subject, group_concat(DISTINCT f.path) AS detail
FROM file f JOIN (SELECT seq, path, run FROM object UNION ALL SELECT seq, file, run FROM program) o ON o.run = f.run AND o.path = f.path
JOIN run_begin r ON r.run = f.run
LEFT JOIN process x ON x.seq = (SELECT max(p.seq) FROM process p WHERE p.proc = f.proc AND p.op = 'exec' AND p.seq < f.seq)
WHERE f.op = 'utimes' AND f.mtime_ns IS NOT NULL AND f.mtime_ns <
    COALESCE((SELECT c.date_ns FROM clock c WHERE c.run = f.run AND c.cause = 'date'), r.wall_ns) - 30 * 86400 * 1000000000
  AND COALESCE(base_name(x.image), '') NOT IN ('tar', 'dpkg', 'dpkg-deb', 'unzip', 'cp', 'install', 'rsync', 'cpio', 'bsdtar', '7z', '7za', '7zr',
    'node', 'npm', 'python3', 'pip', 'git', 'mv', 'rpm', 'rpm2cpio', 'ar', 'perl', 'busybox')
GROUP BY f.run, f.proc
