-- The organisation is the author's and must be the student's.
WITH added AS (
    INSERT INTO tutor_notes (id, org_id, student_id, author_id, text, created_at, updated_at)
    SELECT $1, a.org_id, p.id, a.id, $4, $5, $5
    FROM users a
    JOIN users p ON p.org_id = a.org_id AND p.id <> a.id
    WHERE a.id = $3 AND p.id = $2
    RETURNING *
)
SELECT n.id, n.student_id, n.author_id, n.text, n.created_at, n.updated_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name
FROM added n
LEFT JOIN users u ON u.id = n.author_id
