SELECT t.kind, t.status, count(*) AS tasks FROM tasks t WHERE t.status = 'queued' GROUP BY 1, 2
UNION ALL
SELECT t.kind, t.status, count(*) FROM tasks t WHERE t.status = 'running' GROUP BY 1, 2
UNION ALL
SELECT t.kind, t.status, count(*) FROM tasks t WHERE t.status = 'failed' GROUP BY 1, 2
