-- Whose holder has been silent for longer than its lease. The attempt counts: what kills its workers must end.
WITH lost AS MATERIALIZED (
    SELECT q.id FROM tasks q WHERE q.status = 'running' AND q.lease_until < now() LIMIT 100
    FOR UPDATE SKIP LOCKED
)
UPDATE tasks t
SET status = CASE WHEN t.cancel_asked THEN 'cancelled' WHEN t.attempts >= t.max_attempts THEN 'failed' ELSE 'queued' END,
    error = CASE WHEN t.cancel_asked THEN 'cancelled' ELSE 'lease_lost' END,
    ended_at = CASE WHEN t.cancel_asked OR t.attempts >= t.max_attempts THEN now() END,
    run_at = CASE WHEN t.cancel_asked OR t.attempts >= t.max_attempts THEN t.run_at ELSE now() END,
    lease = t.lease + 1, lease_until = NULL, cancel_asked = false
FROM lost
WHERE t.id = lost.id
RETURNING t.id, t.kind, t.status
