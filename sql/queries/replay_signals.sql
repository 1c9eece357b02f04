-- Signals that were shown of the session $1, oldest first. Not for its own student ($2).
SELECT e.kind, e.level, e.score, e.why, e.started_at, e.ended_at
FROM signal_events e
JOIN sessions s ON s.id = e.session_id AND s.student_id <> $2
WHERE e.session_id = $1
ORDER BY e.id
LIMIT $3
