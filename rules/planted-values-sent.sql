-- SPDX-License-Identifier: Apache-2.0
-- id: planted-values-sent
-- title: Values that exist only in this box were sent out
-- grade: concern
-- sign: inventory
-- attack: T1082,T1041
-- needs: 2
-- why: Somebody learns about this machine and its user: its name, its number, its documents.
-- innocent: A licence is often bound to a machine's name or number; the vendor can say which fields are
--   sent and why.
-- done: The values were made for this box and are nowhere else, so that the bytes cannot be there by
--   chance. A question to the name service for the machine's own name, and nothing more, is a fact.
SELECT group_concat(DISTINCT c.seq) || COALESCE(',' || min(f.seq), '') AS evidence,
  c.proc AS proc, count(*) AS count,
  COALESCE(f.name, f.dst, 'flow ' || c.flow) || COALESCE(' port ' || f.dst_port, '') AS subject,
  group_concat(DISTINCT c.value || ' (' || c.encoding || ')')
    || CASE WHEN f.dst_port = 53 AND min(own.flow IS NOT NULL) THEN ': the machine''s own name was asked for' ELSE '' END AS detail,
  CASE WHEN f.dst_port = 53 AND min(own.flow IS NOT NULL) THEN 'fact'
    WHEN count(DISTINCT c.value) > 1 OR max(c.value LIKE 'document:%') THEN 'concern' ELSE 'note' END AS grade
FROM canary c LEFT JOIN (
  -- a name without a dot leads to nobody else's servers
  SELECT run, flow FROM dns WHERE op = 'query' GROUP BY run, flow HAVING max(instr(rtrim(name, '.'), '.')) = 0) own
  ON own.run = c.run AND own.flow = c.flow AND c.value = 'hostname'
LEFT JOIN flow f ON f.run = c.run AND f.flow = c.flow AND f.op = 'begin'
GROUP BY COALESCE(f.name, f.dst), f.dst_port, COALESCE((SELECT x.file FROM program x WHERE x.proc = c.proc ORDER BY x.seq DESC LIMIT 1), c.proc)
