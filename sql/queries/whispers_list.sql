-- Of the session $1, newest first, after $3. Not for its own student, whatever else holds.
SELECT w.id, w.tutor_id, w.text, w.until, w.kind, w.state, w.created_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1), '') AS tutor_name
FROM whispers w
JOIN sessions s ON s.id = w.session_id AND s.student_id <> $2
LEFT JOIN users u ON u.id = w.tutor_id
WHERE w.session_id = $1 AND ($3::uuid IS NULL OR w.id < $3)
ORDER BY w.id DESC
LIMIT $4
