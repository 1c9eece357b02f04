-- This one task, for whoever does its work at once; nobody else has begun it.
UPDATE tasks t
SET status = 'running', lease = t.lease + 1, lease_until = now() + make_interval(secs => $3), worker = $2,
    attempts = t.attempts + 1, started_at = now(), error = NULL, progress = 0
WHERE t.id = $1 AND t.status = 'queued'
RETURNING t.lease
