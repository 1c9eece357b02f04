-- Of the sign-ins $1 those that may have a roster: one row for each class that it shows, at least one. To a
-- tutor the classes that they teach, to an admin all of the organisation.
SELECT i.id AS sign_in, u.id AS user_id, u.org_id, u.role = 'admin' AS is_admin,
       c.id AS class_id, c.name AS class_name,
       ARRAY(
           SELECT m.user_id FROM class_members m
           JOIN users p ON p.id = m.user_id AND p.org_id = c.org_id
           WHERE m.class_id = c.id AND m.member_as = 'student' AND m.user_id <> u.id
           ORDER BY m.user_id
       ) AS students
FROM sign_ins i
JOIN users u ON u.id = i.user_id AND u.disabled_at IS NULL AND u.role IN ('tutor', 'admin')
LEFT JOIN classes c ON c.org_id = u.org_id AND (u.role = 'admin' OR EXISTS (
    SELECT FROM class_members t WHERE t.class_id = c.id AND t.user_id = u.id AND t.member_as = 'tutor'
))
WHERE i.id = ANY ($1) AND i.ended_at IS NULL
ORDER BY i.id, c.name, c.id
