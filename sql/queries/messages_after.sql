-- The conversation after $2, then what waits for its run after $3; the places of what waits begin at $4.
-- A message that was listed as waiting and has begun since is listed once more, at its place.
SELECT m.session_id, m.id, m.ord, m.run_id, m.role, m.author_id, m.author_kind, m.content, m.status,
       m.finish_reason, m.error, m.usage, m.model, m.files, m.edits, m.created_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name,
       (SELECT c.id FROM messages c
        WHERE c.session_id = m.session_id AND c.author_kind = 'tutor' AND c.edits = m.id AND NOT c.superseded
        ORDER BY c.ord DESC LIMIT 1) AS corrected_by
FROM messages m
LEFT JOIN users u ON u.id = m.author_id
WHERE m.session_id = $1 AND m.ord > $2 AND m.ord NOT BETWEEN $4 AND $3 AND NOT m.superseded
ORDER BY m.ord
LIMIT $5
