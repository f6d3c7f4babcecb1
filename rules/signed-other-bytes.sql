-- SPDX-License-Identifier: Apache-2.0
-- id: signed-other-bytes
-- title: A program was changed after it had been signed
-- grade: concern
-- sign: signer
-- attack: T1553.002,T1554
-- why: The signer did not sign what is in this file; the name in the certificate answers for something else.
-- done: The hash that the signature holds was computed over this file as Authenticode demands; no tool of this record was
--   sought that changes resources.
-- innocent: Tools that patch resources or pack programs break signatures; a vendor ships no such file.
SELECT group_concat(DISTINCT evidence) AS evidence, min(proc) AS proc, path AS subject,
  'signed by ' || COALESCE(signer, 'somebody') || ', but not these bytes' AS detail
FROM file_info WHERE signature = 'other-bytes' GROUP BY sha256
