INSERT INTO model_files (file_id, name, uri, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (file_id) DO UPDATE SET name = $2, uri = $3, expires_at = $4
