-- $1 joins the class with the code $2 as a student, in their own organisation alone. Who is a member
-- already stays what they are.
WITH class AS (
    SELECT c.id, u.id AS user_id
    FROM classes c
    JOIN users u ON u.id = $1 AND u.org_id = c.org_id AND u.disabled_at IS NULL
    WHERE c.join_code = $2
), joined AS (
    INSERT INTO class_members (class_id, user_id, member_as, created_at)
    SELECT class.id, class.user_id, 'student', $3 FROM class
    ON CONFLICT (class_id, user_id) DO NOTHING
)
SELECT id FROM class
