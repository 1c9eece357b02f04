UPDATE messages m SET status = 'complete', ord = n.ord
FROM unnest($1::uuid[], $2::uuid[], $3::int8[]) AS n (session_id, id, ord)
WHERE m.session_id = n.session_id AND m.id = n.id AND m.status = 'queued'
