-- The person $2, and whether $1 teaches them.
SELECT p.id, p.org_id, p.id <> $1 AND EXISTS (
           SELECT FROM class_members t
           JOIN classes c ON c.id = t.class_id AND c.org_id = p.org_id
           JOIN class_members m ON m.class_id = c.id AND m.user_id = p.id AND m.member_as = 'student'
           WHERE t.user_id = $1 AND t.member_as = 'tutor'
       ) AS taught
FROM users p
WHERE p.id = $2
