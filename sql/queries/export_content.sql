SELECT to_jsonb(x) FROM (
    SELECT c.id, c.title, c.subject, c.language, c.body, c.source, c.licence, c.state, c.version, c.created_at,
           c.updated_at,
           (SELECT jsonb_agg(jsonb_build_object('kind', s.kind, 'state', s.state, 'items', s.items) ORDER BY s.kind)
            FROM study_sets s WHERE s.content_id = c.id) AS study
    FROM content c
    WHERE c.author_id = $1 AND ($2::uuid IS NULL OR c.id > $2)
    ORDER BY c.id
    LIMIT $3
) x
