-- Somebody's own.
SELECT t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
FROM tasks t
WHERE t.id = $1 AND t.owner_id = $2
