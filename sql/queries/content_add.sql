-- Of the organisation that $2 writes for, with the files $14 and the ids $15 of the tasks that read them. What was
-- imported before ($16) is there already.
WITH added AS (
    INSERT INTO content (id, org_id, author_id, title, subject, grade_lowest, grade_highest, language, body, source,
        licence, state, classes, imported, created_at, updated_at)
    SELECT $1, u.org_id, u.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $16, $13, $13
    FROM users u
    WHERE u.id = $2 AND u.role IN ('tutor', 'admin')
    ON CONFLICT (org_id, imported) WHERE imported IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT fynq.attach_files(added.id, $14, $15) FROM added
