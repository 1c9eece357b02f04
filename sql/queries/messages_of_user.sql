-- The newest session first (ids are born in order), each session's messages oldest first. ($2, $3, $4) is
-- where the page before ended: the session, and its places as in messages_after.sql. To $7 somebody else's
-- are shown inside one organisation ($8) alone.
SELECT m.session_id, m.id, m.ord, m.run_id, m.role, m.author_id, m.author_kind, m.content, m.status,
       m.finish_reason, m.error, m.usage, m.model, m.files, m.edits, m.created_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name,
       (SELECT c.id FROM messages c
        WHERE c.session_id = m.session_id AND c.author_kind = 'tutor' AND c.edits = m.id AND NOT c.superseded
        ORDER BY c.ord DESC LIMIT 1) AS corrected_by
FROM sessions s
JOIN messages m ON m.session_id = s.id
LEFT JOIN users u ON u.id = m.author_id
WHERE s.student_id = $1
  AND (s.student_id = $7 OR s.org_id = $8)
  AND NOT m.superseded
  AND ($2::uuid IS NULL OR s.id < $2 OR (s.id = $2 AND m.ord > $3 AND m.ord NOT BETWEEN $5 AND $4))
ORDER BY s.id DESC, m.ord
LIMIT $6
