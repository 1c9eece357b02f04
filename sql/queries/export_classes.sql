SELECT to_jsonb(x) FROM (
    SELECT m.class_id, c.name, m.member_as AS "as", m.created_at
    FROM class_members m
    LEFT JOIN classes c ON c.id = m.class_id
    WHERE m.user_id = $1
    ORDER BY m.created_at
) x
