-- One's own file, unless it is attached to content. Where it was sent, that it was there is kept, and nothing else.
SELECT fynq.end_files(ARRAY(
    SELECT f.id FROM files f
    WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
), true) > 0 AS gone
