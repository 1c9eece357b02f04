-- $1 student or null for all, $2 search pattern or null, ($3, $4) the last row of the page before.
SELECT id, student_id, title, subject, control, hand_raised, created_at, updated_at
FROM sessions
WHERE ($1::uuid IS NULL OR student_id = $1)
  AND ($2::text IS NULL OR title ILIKE $2 OR subject ILIKE $2)
  AND ($3::timestamptz IS NULL OR (updated_at, id) < ($3, $4))
ORDER BY updated_at DESC, id DESC
LIMIT $5
