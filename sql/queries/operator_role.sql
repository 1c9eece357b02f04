-- Gives the account with the address $1 the role $2, unless its organisation would be left without an admin;
-- the lock is that of admin_user_change.sql.
WITH admins AS MATERIALIZED (
    SELECT u.id FROM users u
    WHERE u.role = 'admin' AND u.disabled_at IS NULL
      AND u.org_id = (SELECT a.org_id FROM users a WHERE a.email = $1)
    ORDER BY u.id
    FOR UPDATE
), person AS (
    SELECT u.id, $2 <> 'admin' AND u.id IN (SELECT id FROM admins)
               AND NOT EXISTS (SELECT FROM admins WHERE admins.id <> u.id) AS last
    FROM users u
    WHERE u.email = $1
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
