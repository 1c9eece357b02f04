-- For the worker $4, of each kind of $1 as many as $2 says, $3 at most: the more urgent ones first, then those
-- that wait longest. What another worker is just taking is passed by.
WITH picked AS MATERIALIZED (
    SELECT t.id
    FROM unnest($1::text[], $2::int4[]) AS w (kind, free)
    CROSS JOIN LATERAL (
        SELECT q.id, q.priority, q.run_at
        FROM tasks q
        WHERE q.status = 'queued' AND q.kind = w.kind AND q.run_at <= now()
        ORDER BY q.priority DESC, q.run_at, q.id
        LIMIT w.free
        FOR UPDATE SKIP LOCKED
    ) t
    ORDER BY t.priority DESC, t.run_at, t.id
    LIMIT $3
)
UPDATE tasks t
SET status = 'running', lease = t.lease + 1, lease_until = now() + make_interval(secs => $5), worker = $4,
    attempts = t.attempts + 1, started_at = now(), progress = 0
FROM picked
WHERE t.id = picked.id
RETURNING t.id, t.kind, t.org_id, t.owner_id, t.payload, t.attempts, t.max_attempts, t.lease,
          extract(epoch FROM now() - t.run_at)::float8 AS waited
