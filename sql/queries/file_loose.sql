-- A file of $1 with this name and these bytes that hangs nowhere.
SELECT f.id FROM files f
WHERE f.owner_id = $1 AND f.name = $2 AND f.sha256 = $3 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
ORDER BY f.id
LIMIT 1
