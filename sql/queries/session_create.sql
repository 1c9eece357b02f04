INSERT INTO sessions (id, student_id, org_id, title, subject, created_at, updated_at)
VALUES ($1, $2, (SELECT org_id FROM users WHERE id = $2), $3, $4, $5, $5)
RETURNING id, student_id, title, subject, control, hand_raised, created_at, updated_at
