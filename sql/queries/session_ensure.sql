INSERT INTO sessions (id, student_id, org_id, created_at, updated_at)
VALUES ($1, $2, (SELECT org_id FROM users WHERE id = $2), $3, $3)
ON CONFLICT (id) DO NOTHING
