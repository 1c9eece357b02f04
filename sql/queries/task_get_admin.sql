-- Of the organisation $2. What is the installation's is shown while there is one organisation only.
SELECT t.id, t.kind, t.status, t.progress, t.attempts, t.error, t.result, t.run_at, t.created_at, t.started_at, t.ended_at
FROM tasks t
WHERE t.id = $1 AND (t.org_id = $2 OR (t.org_id IS NULL AND (SELECT fynq.only_school())))
