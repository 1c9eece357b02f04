-- Somebody's own, the newest first, after $4. What was called off counts as failed, as everywhere outside.
SELECT t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
FROM tasks t
WHERE t.owner_id = $1
  AND ($2::text IS NULL OR CASE t.status WHEN 'cancelled' THEN 'failed' ELSE t.status END = $2)
  AND ($3::text IS NULL OR t.kind = $3)
  AND ($4::uuid IS NULL OR t.id < $4)
ORDER BY t.id DESC
LIMIT $5
