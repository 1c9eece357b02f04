UPDATE sessions
SET title = CASE WHEN $2 THEN $3 ELSE title END,
    subject = CASE WHEN $4 THEN $5 ELSE subject END,
    updated_at = greatest(updated_at, $6)
WHERE id = $1
RETURNING id, student_id, title, subject, control, hand_raised, created_at, updated_at
