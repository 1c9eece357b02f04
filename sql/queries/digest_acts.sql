-- What was done for the students of the class $2 but not $1 from $3 to $4, and by whom.
SELECT s.student_id, a.actor_id, a.kind, count(*) AS times,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1), '') AS actor_name
FROM classes c
JOIN class_members b ON b.class_id = c.id AND b.member_as = 'student' AND b.user_id <> $1
JOIN sessions s ON s.student_id = b.user_id AND s.org_id = c.org_id
JOIN tutor_acts a ON a.session_id = s.id AND a.at >= $3 AND a.at < $4
LEFT JOIN users u ON u.id = a.actor_id
WHERE c.id = $2 AND a.kind IN ('whispered', 'said', 'took_over', 'claimed', 'corrected')
GROUP BY s.student_id, a.actor_id, a.kind, u.display_name, u.email
ORDER BY s.student_id, actor_name, a.actor_id, a.kind
