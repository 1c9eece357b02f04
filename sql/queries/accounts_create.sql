-- A new account and, where a join code is given, its place in that code's class and organisation. One
-- row always: without an id when the address is taken, in whichever case it was written, or when no class
-- has that code (`code_known` tells which).
WITH class AS (
    SELECT id, org_id FROM classes WHERE join_code = $7
), made AS (
    INSERT INTO users (id, email, password_hash, role, display_name, created_at, updated_at, org_id)
    SELECT $1, $2, $3, $4, $5, $6, $6, coalesce(class.org_id, '00000000-0000-7000-8000-000000000001')
    FROM (SELECT 1) AS one
    LEFT JOIN class ON true
    WHERE $7::text IS NULL OR class.id IS NOT NULL
    ON CONFLICT (email) WHERE issuer IS NULL DO NOTHING
    RETURNING id, email, role, display_name, locale, grade, age_band, created_at, updated_at
), joined AS (
    INSERT INTO class_members (class_id, user_id, member_as, created_at)
    SELECT class.id, made.id, 'student', $6 FROM class, made
)
SELECT made.*, $7::text IS NULL OR EXISTS (SELECT FROM class) AS code_known
FROM (SELECT 1) AS one
LEFT JOIN made ON true
