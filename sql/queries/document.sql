SELECT f.key, f.media_type FROM files f WHERE f.id = $1 AND f.state = 'ready'
