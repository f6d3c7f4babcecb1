-- SPDX-License-Identifier: Apache-2.0
-- id: copies-differ
-- title: Another copy of this product brings other programs
-- grade: concern
-- sign: copies
-- against: yes
-- attack: T1195.002
-- why: Who got the other copy was examined for something else: what is said of one does not hold for both.
-- innocent: Two versions differ; a copy can carry its customer's number in a place that no signature covers.
-- done: Names under which both copies have a program. What differs only in a signature's surroundings or a build
--   number is a fact. It is a concern only where most programs are the same byte for byte, so that both are of one version.
WITH mine AS MATERIALIZED (SELECT path, min(sha256) AS sha256, min(normal) AS normal, min(digest) AS digest, min(evidence) AS evidence, min(proc) AS proc
  FROM file_info WHERE type IN ('pe', 'elf', 'script') GROUP BY path HAVING count(DISTINCT sha256) = 1),
theirs AS MATERIALIZED (SELECT path, min(sha256) AS sha256, min(normal) AS normal, min(digest) AS digest, min(evidence) AS evidence
  FROM other_file_info WHERE type IN ('pe', 'elf', 'script') GROUP BY path HAVING count(DISTINCT sha256) = 1),
both AS MATERIALIZED (SELECT m.path, m.proc, m.evidence, t.evidence AS other, m.sha256 = t.sha256 AS same,
  m.digest = t.digest AS signed_same, m.normal = t.normal AS nearly FROM mine m JOIN theirs t ON t.path = m.path),
share AS (SELECT total(same) * 2 > count(*) AS one_version FROM both)
SELECT b.evidence, b.other AS others, b.proc, b.path AS subject,
  CASE WHEN b.signed_same THEN 'the signed bytes are the same, what is beside the signature differs'
    WHEN b.nearly THEN 'only what changes with each build differs'
    ELSE 'other bytes' || CASE WHEN one_version THEN ', though most programs are the same' ELSE '; perhaps another version' END END AS detail,
  CASE WHEN b.signed_same OR b.nearly THEN 'fact' WHEN one_version THEN 'concern' ELSE 'note' END AS grade
FROM both b, share WHERE NOT b.same
