-- All messages of a session, superseded ones too, after the place $2. The place goes beside the message.
SELECT m.ord, to_jsonb(x) FROM (
    SELECT * FROM messages WHERE session_id = $1 AND ord > $2 ORDER BY ord LIMIT $3
) m
CROSS JOIN LATERAL (
    SELECT m.id, m.run_id, m.role, m.author_id, m.author_kind, m.content, m.status, m.finish_reason, m.error,
           m.usage, m.model, m.files, m.edits, m.superseded, m.created_at
) x
ORDER BY m.ord
