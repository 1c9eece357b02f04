-- What waits for its run and was said while a tutor held the session: the last change of hands before it was
-- that somebody took over. Nothing else of a row says whether it was charged.
SELECT m.id
FROM messages m
WHERE m.session_id = $1 AND m.status = 'queued' AND (
    SELECT a.kind
    FROM tutor_acts a
    WHERE a.session_id = m.session_id AND a.at <= m.created_at
      AND a.kind IN ('took_over', 'handed_back', 'lapsed', 'released')
    ORDER BY a.at DESC, a.id DESC
    LIMIT 1
) = 'took_over'
