-- Of the organisation $2: what waits ends now, what runs is let go by its holder.
WITH off AS (
    UPDATE tasks t
    SET status = CASE t.status WHEN 'queued' THEN 'cancelled' ELSE t.status END,
        error = CASE t.status WHEN 'queued' THEN 'cancelled' ELSE t.error END,
        ended_at = CASE t.status WHEN 'queued' THEN now() END,
        lease = CASE t.status WHEN 'queued' THEN t.lease + 1 ELSE t.lease END,
        cancel_asked = (t.status = 'running')
    WHERE t.id = $1 AND (t.org_id = $2 OR (t.org_id IS NULL AND (SELECT fynq.only_school())))
      AND t.status IN ('queued', 'running')
    RETURNING t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
)
SELECT off.*, pg_notify('fynq_tasks', 'cancel') FROM off
