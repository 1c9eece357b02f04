-- As session_list.sql: those that were touched after the place ($6, $7), the longest ago first. Whatever
-- is touched again meanwhile moves on to where it is still to come.
SELECT s.id, s.student_id, s.title, s.subject, s.control, s.hand_raised, s.created_at, s.updated_at
FROM sessions s
WHERE (
        s.student_id = $1
        OR ($3::uuid IS NOT NULL AND s.org_id = $3)
        OR ($2 AND s.org_id = $4 AND s.student_id IN (
            SELECT m.user_id
            FROM class_members t
            JOIN classes c ON c.id = t.class_id AND c.org_id = $4
            JOIN class_members m ON m.class_id = c.id AND m.member_as = 'student'
            JOIN users p ON p.id = m.user_id AND p.org_id = $4
            WHERE t.user_id = $1 AND t.member_as = 'tutor'
        ))
    )
  AND ($5::text IS NULL OR s.title ILIKE $5 OR s.subject ILIKE $5)
  AND (s.updated_at, s.id) > ($6, $7)
ORDER BY s.updated_at, s.id
LIMIT $8
