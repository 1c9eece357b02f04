-- By whoever may write the content.
DELETE FROM study_sets s
USING content c, users u
WHERE s.content_id = $2 AND s.kind = $3 AND c.id = s.content_id AND u.id = $1 AND u.org_id = c.org_id
  AND u.role IN ('tutor', 'admin') AND (c.author_id = u.id OR u.role = 'admin')
