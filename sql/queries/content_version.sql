-- The older version $3 of the content $2, for whoever may write it.
SELECT v.version, v.title, v.subject, v.grade_lowest, v.grade_highest, v.language, v.body, v.source, v.licence,
       v.state, v.at
FROM content c
JOIN users u ON u.id = $1 AND u.org_id = c.org_id
JOIN content_versions v ON v.content_id = c.id
WHERE c.id = $2 AND v.version = $3 AND ((u.role = 'tutor' AND c.author_id = u.id) OR u.role = 'admin')
