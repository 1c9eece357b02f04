SELECT author_id, author_kind, edits IS NOT NULL AS replaces
FROM messages
WHERE session_id = $1 AND id = $2
