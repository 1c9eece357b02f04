-- By its author or the admin, if it is still the version $14 that was changed; the trigger keeps that one.
UPDATE content c
SET title = $3, subject = $4, grade_lowest = $5, grade_highest = $6, language = $7, body = $8, source = $9,
    licence = $10, state = $11, classes = $12, updated_at = $13
FROM users u
WHERE c.id = $1 AND u.id = $2 AND c.version = $14 AND u.org_id = c.org_id
  AND ((u.role = 'tutor' AND c.author_id = u.id) OR u.role = 'admin')
