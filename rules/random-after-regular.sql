-- SPDX-License-Identifier: Apache-2.0
-- id: random-after-regular
-- title: Contacts were regular at first, and then at times that look random
-- grade: note
-- attack: T1029
-- needs: 8
-- why: Programs that search for regular contacts are deceived by it.
-- innocent: Many programs vary their times so that not all customers ask at once. So this counts for no
--   finding.
-- done: The distances of at least the first three contacts are equal, those of the later ones not.
SELECT evidence, proc, contacts AS count, destination || COALESCE(' port ' || NULLIF(port, 0), '') || ' by ' || COALESCE(image, 'a program') AS subject,
  'the first ' || regular_start || ' distances are equal, later ones vary by ' || CAST(round(100 * jitter) AS INTEGER) || ' % about '
    || CAST(round(period / 60) AS INTEGER) || ' minutes' AS detail
FROM beacon WHERE regular_start >= 3 AND jitter >= 0.2 AND what = 'connection' AND key = 'name' AND contacts >= 8
  AND proc IN (SELECT proc FROM subject_process)
