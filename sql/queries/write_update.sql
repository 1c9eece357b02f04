UPDATE messages m
SET content = n.content, status = n.status, finish_reason = n.finish_reason, error = n.error,
    usage = n.usage, model = n.model
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
    AS n (session_id, id, content, status, finish_reason, error, usage, model)
WHERE m.session_id = n.session_id AND m.id = n.id AND m.status = 'streaming'
