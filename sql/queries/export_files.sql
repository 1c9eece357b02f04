-- Files of $1 after $2, each with where its bytes lie.
SELECT f.id, f.key, to_jsonb(x) AS about
FROM files f
CROSS JOIN LATERAL (
    SELECT f.id, f.name, f.media_type, f.size, f.width, f.height, f.pages, f.created_at,
           (SELECT w.problems FROM worksheets w WHERE w.file_id = f.id) AS worksheet
) AS x
WHERE f.owner_id = $1 AND f.state = 'ready' AND ($2::uuid IS NULL OR f.id > $2)
ORDER BY f.id
LIMIT $3
