UPDATE messages m
SET content = n.content, status = n.status, finish_reason = n.finish_reason, error = n.error,
    usage = n.usage, model = n.model
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::jsonb[], $8::text[]
)
    AS n (session_id, id, content, status, finish_reason, error, usage, model)
WHERE m.session_id = n.session_id AND m.id = n.id
  -- A starting fynq presumes open answers dead. One that lived on, in a process that was just being
  -- replaced, has an end of its own: that one counts.
  AND (m.status = 'streaming' OR (m.status = 'interrupted' AND n.status NOT IN ('streaming', 'interrupted')))
