-- The newest $3 messages of the conversation from $2 on, newest first.
SELECT id FROM messages
WHERE session_id = $1 AND ord >= $2 AND NOT superseded AND status <> 'queued'
ORDER BY ord DESC
LIMIT $3
