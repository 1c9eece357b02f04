-- As session_list.sql: those that were touched after the place ($3, $4), the longest ago first. Whatever
-- is touched again meanwhile moves on to where it is still to come.
SELECT id, student_id, title, subject, control, hand_raised, created_at, updated_at
FROM sessions
WHERE ($1::uuid IS NULL OR student_id = $1)
  AND ($2::text IS NULL OR title ILIKE $2 OR subject ILIKE $2)
  AND (updated_at, id) > ($3, $4)
ORDER BY updated_at, id
LIMIT $5
