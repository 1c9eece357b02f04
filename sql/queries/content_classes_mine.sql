-- Those of the classes $2 that $1 may write content for.
SELECT c.id
FROM classes c
JOIN users u ON u.id = $1 AND u.org_id = c.org_id
WHERE c.id = ANY ($2)
  AND (u.role = 'admin' OR (u.role = 'tutor' AND EXISTS (
      SELECT FROM class_members m WHERE m.class_id = c.id AND m.user_id = u.id AND m.member_as = 'tutor'
  )))
