-- One's own file, unless it was sent or is attached to content.
SELECT fynq.end_files(ARRAY(
    SELECT f.id FROM files f
    WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
), false) AS gone
