-- The members of the class $2 in the order they came, after ($4, $5); for whoever does not run it ($3) only
-- $1 and the tutors.
SELECT m.user_id, m.member_as, m.created_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS display_name,
       CASE WHEN $3 THEN u.email END AS email
FROM class_members m
JOIN users u ON u.id = m.user_id
WHERE m.class_id = $2
  AND ($3 OR m.user_id = $1 OR m.member_as = 'tutor')
  AND ($4::timestamptz IS NULL OR (m.created_at, m.user_id) > ($4, $5))
ORDER BY m.created_at, m.user_id
LIMIT $6
