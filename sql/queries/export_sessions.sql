SELECT to_jsonb(x) FROM (
    SELECT s.id, s.title, s.subject, s.created_at, s.updated_at, y.text AS summary
    FROM sessions s
    LEFT JOIN session_summaries y ON y.session_id = s.id
    WHERE s.student_id = $1 AND ($2::uuid IS NULL OR s.id > $2)
    ORDER BY s.id
    LIMIT $3
) x
