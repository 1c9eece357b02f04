-- What arrived is there, as this.
UPDATE files f SET state = 'ready', name = $3, media_type = $4, size = $5, width = $6, height = $7, sha256 = $8,
       preview_key = CASE WHEN $9::boolean THEN f.preview_key END
WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'arriving'
RETURNING f.id, f.org_id, f.owner_id, f.name, f.media_type, f.size, f.state, f.key, f.preview_key, f.text_key, f.width, f.height, f.pages, f.created_at
