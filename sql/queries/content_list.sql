-- What $1 sees of this subject, grade and state, the newest first, after $5.
-- The answer does not rest on row level security: what is seen says the condition, too (V18).
WITH me AS (
    SELECT u.id, u.org_id, u.role, u.role IN ('tutor', 'admin') AS writes,
           ARRAY(SELECT m.class_id FROM class_members m WHERE m.user_id = u.id) AS classes,
           ARRAY(SELECT m.class_id FROM class_members m WHERE m.user_id = u.id AND m.member_as = 'tutor') AS taught
    FROM users u
    WHERE u.id = $1
)
SELECT c.id, c.title, c.subject, c.grade_lowest, c.grade_highest, c.language, c.source, c.licence, c.state,
       CASE WHEN me.role = 'admin' OR (me.writes AND c.author_id = me.id) THEN c.classes ELSE '{}' END AS classes, c.version, c.created_at, c.updated_at,
       a.id AS author_id, coalesce(nullif(a.display_name, ''), split_part(a.email, '@', 1)) AS author_name,
       me.writes AND (c.author_id = me.id OR me.role = 'admin') AS editable,
       coalesce((
           SELECT jsonb_agg(jsonb_build_object(
               'id', o.id, 'name', o.name, 'media_type', o.media_type, 'size', o.size, 'pages', o.pages,
               'reading', h.reading, 'read_pages', h.read_pages, 'cut', h.cut, 'task', h.task
           ) ORDER BY h.position)
           FROM content_files h
           JOIN files o ON o.id = h.file_id
           WHERE h.content_id = c.id
       ), '[]') AS files
FROM content c
JOIN me ON me.org_id = c.org_id
LEFT JOIN users a ON a.id = c.author_id AND me.writes
WHERE ($2::text IS NULL OR lower(c.subject) = lower($2))
  AND ($3::smallint IS NULL OR $3 BETWEEN coalesce(c.grade_lowest, $3) AND coalesce(c.grade_highest, $3))
  AND ($4::text IS NULL OR c.state = $4)
  AND ($5::uuid IS NULL OR c.id < $5)
  AND (me.role = 'admin'
      OR (c.state = 'published' AND (c.classes = '{}' OR me.writes OR c.classes && me.classes))
      OR (me.writes AND (c.author_id = me.id OR c.classes && me.taught)))
ORDER BY c.id DESC
LIMIT $6
