-- Makes $3 a member of the class $2, for $1 who runs it: somebody of the class's organisation whom $1 may
-- know, which is its staff, the students that $1 teaches, and to an admin everybody. No row when there is
-- nobody like that; `added` is false when they were a member before, and `member_as` tells as what.
-- Whoever is a student of a class shows its tutors all their sessions. So only an admin makes its staff that,
-- and otherwise they themselves, with the code (`may_learn`).
WITH person AS (
    SELECT u.id, u.role, u.email, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS display_name,
           a.role = 'admin' OR taught.known AS may_learn
    FROM users u
    JOIN classes c ON c.id = $2 AND c.org_id = u.org_id
    JOIN users a ON a.id = $1 AND a.org_id = u.org_id
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM class_members t
            JOIN class_members m ON m.class_id = t.class_id AND m.user_id = u.id AND m.member_as = 'student'
            WHERE t.user_id = $1 AND t.member_as = 'tutor'
        ) AS known
    ) taught
    WHERE u.id = $3 AND (u.role IN ('tutor', 'admin') OR a.role = 'admin' OR taught.known)
), added AS (
    INSERT INTO class_members (class_id, user_id, member_as, created_at)
    SELECT $2, person.id, $4, $5 FROM person
    WHERE CASE WHEN $4 = 'student' THEN person.may_learn ELSE person.role IN ('tutor', 'admin') END
    ON CONFLICT (class_id, user_id) DO NOTHING
    RETURNING user_id, member_as, created_at
)
SELECT person.id AS user_id, person.role, person.email, person.display_name,
       person.may_learn, added.user_id IS NOT NULL AS added,
       coalesce(added.member_as, known.member_as) AS member_as,
       coalesce(added.created_at, known.created_at) AS created_at
FROM person
LEFT JOIN added ON added.user_id = person.id
LEFT JOIN class_members known ON known.class_id = $2 AND known.user_id = person.id
