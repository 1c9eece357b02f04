UPDATE sessions s
SET updated_at = greatest(s.updated_at, n.at), title = coalesce(s.title, n.title)
FROM unnest($1, $2, $3) AS n (id, at, title)
WHERE s.id = n.id
