SELECT session_id, kind, useful, muted_until, dealt_at
FROM signal_marks
WHERE user_id = $1 AND (useful IS NOT NULL OR muted_until > now())
ORDER BY at DESC
LIMIT $2
