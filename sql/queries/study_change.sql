-- By whoever may write the content. Gives it as it is now.
UPDATE study_sets s SET state = $4, items = $5, updated_at = now()
FROM content c, users u
WHERE s.content_id = $2 AND s.kind = $3 AND c.id = s.content_id AND u.id = $1 AND u.org_id = c.org_id
  AND u.role IN ('tutor', 'admin') AND (c.author_id = u.id OR u.role = 'admin')
  AND ($6::uuid IS NULL OR s.id = $6)
RETURNING s.id, s.kind, s.state, s.of_version, s.items, s.model, s.created_at, s.updated_at
