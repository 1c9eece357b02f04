-- The classes of the organisation $2 that $1 is a member of, or all of them where $3 says so; the newest
-- first, after $4.
SELECT c.id, c.org_id, c.name, c.join_code, c.created_at, mine.member_as,
       (SELECT count(*) FROM class_members m WHERE m.class_id = c.id AND m.member_as = 'student') AS students,
       (SELECT count(*) FROM class_members m WHERE m.class_id = c.id AND m.member_as = 'tutor') AS tutors
FROM classes c
LEFT JOIN class_members mine ON mine.class_id = c.id AND mine.user_id = $1
WHERE c.org_id = $2
  AND ($3 OR mine.user_id IS NOT NULL)
  AND ($4::uuid IS NULL OR c.id < $4)
ORDER BY c.id DESC
LIMIT $5
