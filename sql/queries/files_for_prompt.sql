-- Of what a message of the session $1 names, in its order: what is there and its student's.
SELECT f.id, f.org_id, f.owner_id, f.name, f.media_type, f.size, f.state, f.key, f.preview_key, f.text_key, f.width, f.height, f.pages, f.created_at
FROM files f
JOIN sessions s ON s.student_id = f.owner_id
WHERE s.id = $1 AND f.id = ANY ($2) AND f.state = 'ready'
ORDER BY array_position($2, f.id)
