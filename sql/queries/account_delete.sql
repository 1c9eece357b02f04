-- An account with all that hangs on it, unless it is the last admin of its organisation that can sign in.
-- $2: really; else it only says what would happen. The admins are locked first, as in admin_user_change.sql:
-- of two that delete each other, or themselves, at the same moment the second sees that the first has gone.
-- (Who is no admin locks nobody, and needs not.)
WITH admins AS MATERIALIZED (
    SELECT a.id FROM users a
    WHERE a.role = 'admin' AND a.disabled_at IS NULL
      AND a.org_id = (SELECT u.org_id FROM users u WHERE u.id = $1)
    ORDER BY a.id
    FOR UPDATE
), found AS (
    SELECT u.id, u.role = 'admin' AND NOT EXISTS (SELECT FROM admins WHERE admins.id <> u.id) AS last
    FROM users u WHERE u.id = $1
), gone AS (
    DELETE FROM users u USING found WHERE u.id = found.id AND NOT found.last AND $2::boolean RETURNING u.id
)
SELECT found.last, EXISTS (SELECT FROM gone) AS gone FROM found
