-- What was said in a session up to the place $2, the newest $3 messages, oldest first. What others whispered to
-- the model is no message.
SELECT w.author_kind, w.content, w.student_id
FROM (
    SELECT m.ord, m.author_kind, m.content, s.student_id
    FROM messages m
    JOIN sessions s ON s.id = m.session_id
    WHERE m.session_id = $1 AND m.ord <= $2 AND NOT m.superseded AND m.status NOT IN ('queued', 'streaming')
      AND m.content <> ''
    ORDER BY m.ord DESC
    LIMIT $3
) w
ORDER BY w.ord
