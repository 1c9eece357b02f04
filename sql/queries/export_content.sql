SELECT to_jsonb(x) FROM (
    SELECT c.id, c.title, c.subject, c.language, c.body, c.source, c.licence, c.state, c.version, c.created_at,
           c.updated_at
    FROM content c
    WHERE c.author_id = $1 AND ($2::uuid IS NULL OR c.id > $2)
    ORDER BY c.id
    LIMIT $3
) x
