-- The places of what waits for its run begin at $2: they say nothing about the conversation's.
SELECT s.id, s.student_id, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS student_name,
       s.title, s.hand_raised, s.done, s.org_id, o.show_watchers,
       coalesce((SELECT max(m.ord) FROM messages m WHERE m.session_id = s.id AND m.ord < $2), 0) AS last_ord
FROM sessions s
JOIN users u ON u.id = s.student_id
JOIN organisations o ON o.id = s.org_id
WHERE s.id = $1
