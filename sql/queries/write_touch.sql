UPDATE sessions s
SET updated_at = greatest(s.updated_at, n.at), title = coalesce(s.title, n.title)
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS n (id, at, title)
WHERE s.id = n.id
