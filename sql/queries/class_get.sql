-- The class $2, and as what $1 is a member of it.
SELECT c.id, c.org_id, c.name, c.join_code, c.created_at, mine.member_as,
       (SELECT count(*) FROM class_members m WHERE m.class_id = c.id AND m.member_as = 'student') AS students,
       (SELECT count(*) FROM class_members m WHERE m.class_id = c.id AND m.member_as = 'tutor') AS tutors
FROM classes c
LEFT JOIN class_members mine ON mine.class_id = c.id AND mine.user_id = $1
WHERE c.id = $2
