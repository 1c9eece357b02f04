-- The students of the class $2 but not $1, and what they asked from $3 to $4; one empty row for a class that
-- has none.
SELECT c.name AS class_name, p.id AS student_id,
       coalesce(nullif(p.display_name, ''), split_part(p.email, '@', 1)) AS student_name,
       count(DISTINCT m.session_id) AS sessions, count(m.id) AS questions
FROM classes c
LEFT JOIN (
    class_members b JOIN users p ON p.id = b.user_id AND p.id <> $1
) ON b.class_id = c.id AND b.member_as = 'student' AND p.org_id = c.org_id
LEFT JOIN (
    sessions s JOIN messages m ON m.session_id = s.id AND m.role = 'user' AND NOT m.superseded
        AND m.created_at >= $3 AND m.created_at < $4
) ON s.student_id = p.id AND s.org_id = c.org_id
WHERE c.id = $2
GROUP BY c.name, p.id, p.display_name, p.email
ORDER BY student_name, p.id
