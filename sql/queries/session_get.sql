SELECT id, student_id, title, subject, control, hand_raised, created_at, updated_at
FROM sessions
WHERE id = $1
