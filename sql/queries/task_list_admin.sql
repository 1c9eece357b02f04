-- As task_list.sql, of the organisation $1.
SELECT t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
FROM tasks t
WHERE (t.org_id = $1 OR (t.org_id IS NULL AND (SELECT fynq.only_school())))
  AND ($2::text IS NULL OR CASE t.status WHEN 'cancelled' THEN 'failed' ELSE t.status END = $2)
  AND ($3::text IS NULL OR t.kind = $3)
  AND ($4::uuid IS NULL OR t.id < $4)
ORDER BY t.id DESC
LIMIT $5
