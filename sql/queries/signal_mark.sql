-- What $3 thinks of signals of the kind $2 on the session $1. $4, $6 and $9 say which of the columns changes.
INSERT INTO signal_marks AS m (session_id, kind, user_id, useful, muted_until, at, dealt_at)
SELECT s.id, $2, $3, $5, $7, $8, CASE WHEN $9 THEN $8::timestamptz END
FROM sessions s
WHERE s.id = $1 AND s.student_id <> $3
ON CONFLICT (session_id, kind, user_id) DO UPDATE
SET useful = CASE WHEN $4 THEN excluded.useful ELSE m.useful END,
    muted_until = CASE WHEN $6 THEN excluded.muted_until ELSE m.muted_until END,
    dealt_at = coalesce(excluded.dealt_at, m.dealt_at),
    at = excluded.at
RETURNING session_id, kind, useful, muted_until, dealt_at
