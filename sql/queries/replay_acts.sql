-- What tutors did in the session $1, oldest first. Not for its own student ($2).
SELECT a.id, a.at, a.kind, a.actor_id, a.message_id, w.text, w.until, w.state,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1), '') AS actor_name
FROM tutor_acts a
JOIN sessions s ON s.id = a.session_id AND s.student_id <> $2
LEFT JOIN whispers w ON w.id = a.whisper_id AND w.session_id = a.session_id
LEFT JOIN users u ON u.id = a.actor_id
WHERE a.session_id = $1
ORDER BY a.id
LIMIT $3
