-- Not in its last minutes: an answer may take that long.
SELECT file_id, name, uri, expires_at
FROM model_files
WHERE file_id = ANY ($1) AND expires_at > now() + interval '10 minutes'
