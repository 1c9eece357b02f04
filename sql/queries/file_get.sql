SELECT f.id, f.org_id, f.owner_id, f.name, f.media_type, f.size, f.state, f.key, f.preview_key, f.text_key, f.width, f.height, f.pages, f.created_at
FROM files f
WHERE f.id = $1 AND f.state = 'ready'
