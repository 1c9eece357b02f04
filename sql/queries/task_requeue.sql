-- Of the organisation $2, what failed or was called off: with all its attempts before it.
WITH again AS (
    UPDATE tasks t
    SET status = 'queued', error = NULL, result = NULL, ended_at = NULL, started_at = NULL, progress = 0,
        attempts = 0, run_at = now(), lease = t.lease + 1, cancel_asked = false
    WHERE t.id = $1 AND (t.org_id = $2 OR (t.org_id IS NULL AND (SELECT fynq.only_school())))
      AND t.status IN ('failed', 'cancelled')
    RETURNING t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
)
SELECT again.*, pg_notify('fynq_tasks', '') FROM again
