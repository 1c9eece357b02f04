-- Every message of the session $1 after the place $3, superseded ones too, with how it streamed. Not for
-- the session's own student ($2).
SELECT m.session_id, m.id, m.ord, m.run_id, m.role, m.author_id, m.author_kind, m.content, m.status,
       m.finish_reason, m.error, m.usage, m.model, m.files, m.edits, m.created_at, m.superseded, p.steps,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name,
       (SELECT c.id FROM messages c
        WHERE c.session_id = m.session_id AND c.author_kind = 'tutor' AND c.edits = m.id AND NOT c.superseded
        ORDER BY c.ord DESC LIMIT 1) AS corrected_by
FROM messages m
JOIN sessions s ON s.id = m.session_id AND s.student_id <> $2
LEFT JOIN users u ON u.id = m.author_id
LEFT JOIN message_paces p ON p.session_id = m.session_id AND p.message_id = m.id
WHERE m.session_id = $1 AND m.ord > $3
ORDER BY m.ord
LIMIT $4
