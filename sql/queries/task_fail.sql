-- By its holder: again in $4 seconds, or dead after the last attempt or where trying again ($5) is of no use.
UPDATE tasks t
SET status = CASE WHEN n.over THEN n.ending ELSE 'queued' END,
    error = CASE WHEN t.cancel_asked THEN 'cancelled' ELSE $3 END,
    run_at = CASE WHEN n.over THEN t.run_at ELSE now() + make_interval(secs => $4) END,
    ended_at = CASE WHEN n.over THEN now() END,
    lease = t.lease + 1, lease_until = NULL, cancel_asked = false
FROM (
    SELECT s.id, s.cancel_asked OR NOT $5 OR s.attempts >= s.max_attempts AS over,
           CASE WHEN s.cancel_asked THEN 'cancelled' ELSE 'failed' END AS ending
    FROM tasks s WHERE s.id = $1 FOR UPDATE
) n
WHERE t.id = n.id AND t.lease = $2 AND t.status = 'running'
RETURNING t.status
