SELECT run_id FROM messages WHERE session_id = $1 AND id = $2
