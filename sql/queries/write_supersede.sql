UPDATE messages m SET superseded = true
FROM unnest($1::uuid[], $2::uuid[]) AS n (session_id, id)
WHERE m.session_id = n.session_id AND m.id = n.id AND NOT m.superseded
