-- Of the content $2, for whoever may write it: the version that counts and those before it, the newest first,
-- those before $3.
SELECT v.version, v.title, v.state, v.at
FROM content c
JOIN users u ON u.id = $1 AND u.org_id = c.org_id
CROSS JOIN LATERAL (
    SELECT c.version, c.title, c.state, c.updated_at AS at
    UNION ALL
    SELECT o.version, o.title, o.state, o.at FROM content_versions o WHERE o.content_id = c.id
) v
WHERE c.id = $2 AND ((u.role = 'tutor' AND c.author_id = u.id) OR u.role = 'admin')
  AND ($3::int4 IS NULL OR v.version < $3)
ORDER BY v.version DESC
LIMIT $4
