-- By its author or the admin, if it is still the version $16 that was changed; the trigger keeps that one. With the
-- files $14 and no others, unless that is NULL, and the ids $15 of the tasks that read them.
WITH changed AS (
    UPDATE content c
    SET title = $3, subject = $4, grade_lowest = $5, grade_highest = $6, language = $7, body = $8, source = $9,
        licence = $10, state = $11, classes = $12, updated_at = $13
    FROM users u
    WHERE c.id = $1 AND u.id = $2 AND c.version = $16 AND u.org_id = c.org_id
      AND ((u.role = 'tutor' AND c.author_id = u.id) OR u.role = 'admin')
    RETURNING c.id
)
SELECT fynq.attach_files(changed.id, $14, $15) FROM changed
