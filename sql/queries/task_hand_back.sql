-- By their holder, which stops: as if they had never been taken.
WITH back AS (
    UPDATE tasks t
    SET status = CASE WHEN t.cancel_asked THEN 'cancelled' ELSE 'queued' END,
        error = CASE WHEN t.cancel_asked THEN 'cancelled' ELSE t.error END,
        ended_at = CASE WHEN t.cancel_asked THEN now() END,
        attempts = greatest(t.attempts - 1, 0), progress = 0,
        lease = t.lease + 1, lease_until = NULL, cancel_asked = false, worker = NULL
    FROM unnest($1::uuid[], $2::int8[]) AS h (id, lease)
    WHERE t.id = h.id AND t.lease = h.lease AND t.status = 'running'
    RETURNING t.id
)
SELECT back.id, pg_notify('fynq_tasks', '') FROM back
