SELECT n.id, n.student_id, n.author_id, n.text, n.created_at, n.updated_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name
FROM tutor_notes n
LEFT JOIN users u ON u.id = n.author_id
WHERE n.id = $1 AND n.student_id <> $2
