SELECT session_id FROM messages
WHERE status = 'queued' AND NOT superseded
GROUP BY session_id
ORDER BY min(created_at)
