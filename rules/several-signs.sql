-- SPDX-License-Identifier: Apache-2.0
-- id: several-signs
-- title: Independent signs show that this software does more than it says
-- grade: finding
-- after: yes
-- needs: 2
-- why: Each sign alone has an innocent explanation that is rare; that several of them come together by
--   chance is not to be expected.
-- innocent: A product that manages machines for others does some of these things openly. Then its
--   vendor says so, for each of the signs.
-- done: Only signs of different kinds count, each of grade concern, each done by processes that come
--   from this install.
WITH counted AS (
  SELECT s.*, row_number() OVER (PARTITION BY s.sign, s.title ORDER BY s.id) AS nr FROM sign s
  WHERE s.grade = 'concern' AND s.attributed),
kinds AS (
  SELECT c.sign, c.title, (SELECT group_concat(subject, ', ') FROM
    (SELECT DISTINCT k.subject FROM counted k WHERE k.sign = c.sign AND k.title = c.title AND k.nr <= 5 ORDER BY k.id)) AS subjects
  FROM counted c GROUP BY c.sign, c.title),
evidence AS (
  SELECT e.seq, row_number() OVER (PARTITION BY c.sign ORDER BY e.seq) AS nr FROM counted c JOIN sign_evidence e ON e.id = c.id)
SELECT (SELECT group_concat(seq) FROM evidence WHERE nr <= 12) AS evidence,
  (SELECT min(proc) FROM counted) AS proc,
  (SELECT count(DISTINCT sign) FROM kinds) AS count,
  COALESCE((SELECT base_name(path) FROM experiment WHERE experiment = 'install' AND step = 'act' LIMIT 1), 'the software in this box') AS subject,
  (SELECT group_concat(title || ' (' || subjects || ')', '; ') FROM kinds) AS detail
WHERE (SELECT count(DISTINCT sign) FROM kinds) >= 2
