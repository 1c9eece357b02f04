-- With a title where there is none. A summary that knows more stays; a session that is gone gets none.
WITH said AS (SELECT $1::jsonb AS it), titled AS (
    UPDATE sessions s SET title = said.it ->> 'title'
    FROM said
    WHERE s.id = (said.it ->> 'session')::uuid AND s.title IS NULL AND said.it ->> 'title' <> ''
)
INSERT INTO session_summaries (session_id, text, upto, model, created_at)
SELECT s.id, said.it ->> 'text', (said.it ->> 'upto')::bigint, said.it ->> 'model', now()
FROM said JOIN sessions s ON s.id = (said.it ->> 'session')::uuid
ON CONFLICT (session_id) DO UPDATE
SET text = excluded.text, upto = excluded.upto, model = excluded.model, created_at = excluded.created_at
WHERE session_summaries.upto < excluded.upto
