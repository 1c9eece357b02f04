WITH changed AS (
    UPDATE tutor_notes SET text = $3, updated_at = $4
    WHERE id = $1 AND author_id = $2
    RETURNING *
)
SELECT n.id, n.student_id, n.author_id, n.text, n.created_at, n.updated_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name
FROM changed n
LEFT JOIN users u ON u.id = n.author_id
