SELECT files FROM messages WHERE session_id = $1 AND id = $2 AND role = 'user' AND NOT superseded
