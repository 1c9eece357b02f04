-- Of pairs of a sign-in ($1) and a session ($2) those in which the person still may watch: as the admin of
-- the session's organisation, or as a tutor of its student.
SELECT w.sign_in, w.session
FROM unnest($1::uuid[], $2::uuid[]) AS w (sign_in, session)
JOIN sign_ins i ON i.id = w.sign_in AND i.ended_at IS NULL
JOIN users u ON u.id = i.user_id AND u.disabled_at IS NULL
JOIN sessions s ON s.id = w.session AND s.org_id = u.org_id
WHERE u.role = 'admin'
   OR (u.role = 'tutor' AND EXISTS (
       SELECT FROM class_members t
       JOIN classes c ON c.id = t.class_id AND c.org_id = s.org_id
       JOIN class_members m ON m.class_id = c.id AND m.user_id = s.student_id AND m.member_as = 'student'
       JOIN users p ON p.id = m.user_id AND p.org_id = s.org_id
       WHERE t.user_id = u.id AND t.member_as = 'tutor'
   ))
