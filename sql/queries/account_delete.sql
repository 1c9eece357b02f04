-- An account with all that hangs on it, unless it is the last admin of its organisation that can sign in.
-- $2: really; else it only says what would happen. `found` sees the rows as they were before.
WITH found AS (
    SELECT u.id,
           u.role = 'admin' AND NOT EXISTS (
               SELECT FROM users other
               WHERE other.org_id = u.org_id AND other.role = 'admin' AND other.disabled_at IS NULL
                 AND other.id <> u.id
           ) AS last
    FROM users u WHERE u.id = $1
), gone AS (
    DELETE FROM users u USING found WHERE u.id = found.id AND NOT found.last AND $2::boolean RETURNING u.id
)
SELECT found.last, EXISTS (SELECT FROM gone) AS gone FROM found
