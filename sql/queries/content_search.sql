-- What $1 sees that holds the words $2 (any of them, with $3), of this subject and grade, the best first,
-- after the place ($7, $8); published content alone with $6. The marks around what was found are characters
-- that no text of its own has in what is given out.
-- The answer does not rest on row level security: what is seen says the condition, too (V18).
WITH me AS (
    SELECT u.id, u.org_id, u.role, u.role IN ('tutor', 'admin') AS writes,
           ARRAY(SELECT m.class_id FROM class_members m WHERE m.user_id = u.id) AS classes,
           ARRAY(SELECT m.class_id FROM class_members m WHERE m.user_id = u.id AND m.member_as = 'tutor') AS taught
    FROM users u
    WHERE u.id = $1
),
found AS (
    SELECT c.id, c.title, c.subject, c.grade_lowest, c.grade_highest, c.language, c.source, c.licence, c.state,
       CASE WHEN me.role = 'admin' OR (me.writes AND c.author_id = me.id) THEN c.classes ELSE '{}' END AS classes, c.version, c.created_at, c.updated_at,
       a.id AS author_id, coalesce(nullif(a.display_name, ''), split_part(a.email, '@', 1)) AS author_name,
       me.writes AND (c.author_id = me.id OR me.role = 'admin') AS editable, c.body, w.question, w.file, w.page, w.rank,
       coalesce((
           SELECT jsonb_agg(jsonb_build_object(
               'id', o.id, 'name', o.name, 'media_type', o.media_type, 'size', o.size, 'pages', o.pages,
               'reading', h.reading, 'read_pages', h.read_pages, 'cut', h.cut, 'task', h.task
           ) ORDER BY h.position)
           FROM content_files h
           JOIN files o ON o.id = h.file_id
           WHERE h.content_id = c.id
       ), '[]') AS files
    FROM fynq.library_with($2, $3) w
    JOIN content c ON c.id = w.id
    JOIN me ON me.org_id = c.org_id
    LEFT JOIN users a ON a.id = c.author_id AND me.writes
    WHERE ($4::text IS NULL OR lower(c.subject) = lower($4))
      AND ($5::smallint IS NULL OR $5 BETWEEN coalesce(c.grade_lowest, $5) AND coalesce(c.grade_highest, $5))
      AND (NOT $6 OR c.state = 'published')
      AND ($7::real IS NULL OR (w.rank, c.id) < ($7, $8::uuid))
      AND (me.role = 'admin'
          OR (c.state = 'published' AND (c.classes = '{}' OR me.writes OR c.classes && me.classes))
          OR (me.writes AND (c.author_id = me.id OR c.classes && me.taught)))
    ORDER BY w.rank DESC, c.id DESC
    LIMIT $9
)
SELECT f.id, f.title, f.subject, f.grade_lowest, f.grade_highest, f.language, f.source, f.licence, f.state, f.classes,
       f.version, f.created_at, f.updated_at, f.author_id, f.author_name, f.editable, f.rank,
       f.files, f.file, f.page,
       ts_headline(
           fynq.search_rules(f.language),
           -- Without the marks of Markdown that say nothing in a line.
           regexp_replace(
               translate(left(coalesce(p.text, f.body), 65536), chr(57344) || chr(57345) || '`', ''),
               '((^|\n)[ \t]*)(#+|>|[-*+])[ \t]+|\*\*', '\2', 'g'
           ),
           f.question,
           'StartSel=' || chr(57344) || ', StopSel=' || chr(57345)
               || ', MaxFragments=3, MaxWords=40, MinWords=15, FragmentDelimiter=" … "'
       ) AS excerpt
FROM found f
-- The page that fits best, of a file that is attached to it.
LEFT JOIN content_pages p ON p.file_id = f.file AND p.page = f.page
    AND EXISTS (SELECT FROM content_files h WHERE h.file_id = p.file_id AND h.content_id = f.id)
ORDER BY f.rank DESC, f.id DESC
