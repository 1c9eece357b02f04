-- The session $2, and what $1 is to it. The answer does not rest on row level security: whoever gets this
-- row may still be nothing to the session, and `auth::access` says so.
SELECT s.id, s.student_id, s.title, s.subject, s.control, s.hand_raised, s.created_at, s.updated_at, s.org_id,
       s.student_id <> $1 AND EXISTS (
           SELECT FROM class_members t
           JOIN classes c ON c.id = t.class_id AND c.org_id = s.org_id
           JOIN class_members m ON m.class_id = c.id AND m.user_id = s.student_id AND m.member_as = 'student'
           JOIN users p ON p.id = m.user_id AND p.org_id = s.org_id
           WHERE t.user_id = $1 AND t.member_as = 'tutor'
       ) AS taught
FROM sessions s
WHERE s.id = $2
