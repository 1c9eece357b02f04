-- A class of the maker's own organisation, and the maker as its tutor. Nothing when the maker is neither
-- tutor nor admin any more.
WITH maker AS (
    SELECT id, org_id FROM users WHERE id = $2 AND role IN ('tutor', 'admin') AND disabled_at IS NULL
), class AS (
    INSERT INTO classes (id, org_id, name, join_code, created_at)
    SELECT $1, maker.org_id, $3, $4, $5 FROM maker
    RETURNING id
)
INSERT INTO class_members (class_id, user_id, member_as, created_at)
SELECT class.id, maker.id, 'tutor', $5 FROM class, maker
