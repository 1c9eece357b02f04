DELETE FROM files f
WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
  AND NOT EXISTS (SELECT FROM file_uses u WHERE u.file_id = f.id)
