SELECT to_jsonb(x) FROM (
    SELECT id, title, subject, created_at, updated_at
    FROM sessions
    WHERE student_id = $1 AND ($2::uuid IS NULL OR id > $2)
    ORDER BY id
    LIMIT $3
) x
