-- Sessions of the organisation $2 whose student $1 teaches, or all of it to its admin, that were touched
-- after $3, whose hand is up, or that a tutor holds.
SELECT s.id, s.org_id, s.student_id, s.title, s.subject, s.updated_at,
       coalesce(nullif(p.display_name, ''), split_part(p.email, '@', 1)) AS student_name,
       CASE WHEN s.control = 'tutor' THEN s.control_by END AS control_by,
       coalesce(nullif(h.display_name, ''), split_part(h.email, '@', 1), '') AS control_name,
       s.hand_raised, s.hand_raised_at, s.hand_claimed_by,
       coalesce(nullif(k.display_name, ''), split_part(k.email, '@', 1), '') AS claimed_name,
       (SELECT count(*) FROM messages m
        WHERE m.session_id = s.id AND m.role = 'user' AND NOT m.superseded) AS turns,
       coalesce((SELECT right(m.content, 160) FROM messages m
                 WHERE m.session_id = s.id AND NOT m.superseded
                 ORDER BY m.ord DESC LIMIT 1), '') AS preview
FROM sessions s
JOIN users p ON p.id = s.student_id AND p.org_id = s.org_id
LEFT JOIN users h ON h.id = s.control_by
LEFT JOIN users k ON k.id = s.hand_claimed_by
WHERE s.org_id = $2 AND s.student_id <> $1
  AND (s.updated_at > $3 OR s.hand_raised OR s.control = 'tutor')
  AND (
      EXISTS (SELECT FROM users a WHERE a.id = $1 AND a.role = 'admin' AND a.org_id = $2)
      OR s.student_id IN (
          SELECT m.user_id
          FROM class_members t
          JOIN classes c ON c.id = t.class_id AND c.org_id = $2
          JOIN class_members m ON m.class_id = c.id AND m.member_as = 'student'
          WHERE t.user_id = $1 AND t.member_as = 'tutor'
      )
  )
-- A hand that is up, and who is held, must not fall off a long list.
ORDER BY (s.hand_raised OR s.control = 'tutor') DESC, s.updated_at DESC, s.id DESC
LIMIT 500
