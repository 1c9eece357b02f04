INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (session_id, id) DO NOTHING
