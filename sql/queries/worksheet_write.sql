-- Of a file that is still there, and is not deleted before this is committed.
WITH read AS (SELECT $1::jsonb AS it), still AS MATERIALIZED (
    SELECT f.id FROM files f, read
    WHERE f.id = (read.it ->> 'file')::uuid AND f.key = read.it ->> 'key' AND f.state = 'ready'
    FOR SHARE OF f
)
INSERT INTO worksheets (file_id, problems, model, created_at)
SELECT still.id, read.it -> 'problems', read.it ->> 'model', now()
FROM still, read
ON CONFLICT (file_id) DO UPDATE
SET problems = excluded.problems, model = excluded.model, created_at = excluded.created_at
