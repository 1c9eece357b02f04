-- Gives the account with the address $1 the role $2, unless its organisation would be left without an admin;
-- the lock is that of admin_user_change.sql.
-- An address that two accounts have (one of them Supabase's) names nobody.
WITH named AS (
    SELECT u.id, u.org_id FROM users u
    WHERE u.email = $1 AND (SELECT count(*) FROM users o WHERE o.email = $1) = 1
), admins AS MATERIALIZED (
    SELECT u.id FROM users u
    WHERE u.role = 'admin' AND u.disabled_at IS NULL
      AND u.org_id = (SELECT org_id FROM named)
    ORDER BY u.id
    FOR UPDATE
), person AS (
    SELECT u.id, $2 <> 'admin' AND u.id IN (SELECT id FROM admins)
               AND NOT EXISTS (SELECT FROM admins WHERE admins.id <> u.id) AS last
    FROM named u
), changed AS (
    UPDATE users SET role = $2, updated_at = $3
    FROM person
    WHERE users.id = person.id AND NOT person.last
    RETURNING users.id
)
SELECT person.last, o.name AS organisation
FROM person
JOIN users u ON u.id = person.id
JOIN organisations o ON o.id = u.org_id
