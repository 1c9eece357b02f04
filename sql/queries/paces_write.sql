-- A message that has gone meanwhile has no pace.
INSERT INTO message_paces (session_id, message_id, steps)
SELECT n.session, n.message,
       ARRAY(
           SELECT step.value::int4
           FROM jsonb_array_elements_text(n.steps) WITH ORDINALITY AS step (value, place)
           ORDER BY step.place
       )
FROM jsonb_to_recordset($1::jsonb) AS n (session uuid, message uuid, steps jsonb)
JOIN messages m ON m.session_id = n.session AND m.id = n.message
ON CONFLICT DO NOTHING
