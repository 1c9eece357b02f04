SELECT EXISTS (
    SELECT FROM messages
    WHERE session_id = $1 AND id = $2 AND author_kind = 'assistant' AND status <> 'streaming'
      AND NOT superseded
)
