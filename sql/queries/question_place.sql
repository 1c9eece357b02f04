-- Where the question $2 stands; when another edit has taken its place meanwhile, where that one stands.
SELECT ord FROM messages
WHERE session_id = $1 AND (id = $2 OR (edits = $2 AND author_kind = 'student')) AND NOT superseded AND status <> 'queued'
ORDER BY ord
LIMIT 1
