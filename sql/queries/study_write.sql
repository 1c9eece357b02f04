-- As a draft, instead of an older one. What was published or changed by hand since the task began stays.
INSERT INTO study_sets (id, content_id, kind, state, of_version, items, model, created_at, updated_at)
SELECT (made.it ->> 'id')::uuid, (made.it ->> 'content')::uuid, made.it ->> 'kind', 'draft',
       (made.it ->> 'of_version')::integer, made.it -> 'items', made.it ->> 'model', now(), now()
FROM (SELECT $1::jsonb AS it) made
ON CONFLICT (content_id, kind) DO UPDATE
SET id = excluded.id, of_version = excluded.of_version, items = excluded.items, model = excluded.model,
    created_at = excluded.created_at, updated_at = excluded.updated_at
WHERE study_sets.state = 'draft'
  AND study_sets.updated_at <= (SELECT t.started_at FROM tasks t WHERE t.id = ($1::jsonb ->> 'task')::uuid)
