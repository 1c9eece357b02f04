-- Changes the person $2 of the organisation that $1 is the admin of: role, disabled, name, age band, each where
-- it is not null. `last` instead of a change when the organisation would be left without an admin: its admins are
-- locked first, so two who take the role from each other at the same moment do not both succeed. Who is
-- disabled is signed out everywhere.
WITH admins AS MATERIALIZED (
    SELECT u.id FROM users u
    WHERE u.role = 'admin' AND u.disabled_at IS NULL
      AND u.org_id = (SELECT a.org_id FROM users a WHERE a.id = $1)
    ORDER BY u.id
    FOR UPDATE
), person AS (
    SELECT u.id,
           (coalesce($3, u.role) <> 'admin' OR coalesce($4, u.disabled_at IS NOT NULL))
               AND NOT EXISTS (SELECT FROM admins WHERE admins.id <> u.id) AS last
    FROM users u
    JOIN users a ON a.id = $1 AND a.org_id = u.org_id
    WHERE u.id = $2 AND $1 IN (SELECT id FROM admins)
), changed AS (
    UPDATE users
    SET role = coalesce($3, role),
        disabled_at = CASE WHEN $4 THEN coalesce(disabled_at, $6)
                           WHEN NOT $4 THEN NULL
                           ELSE disabled_at END,
        display_name = coalesce($5, display_name),
        age_band = coalesce($7, age_band),
        updated_at = $6
    FROM person
    WHERE users.id = person.id AND NOT person.last
    RETURNING users.id, users.email, users.display_name, users.role, users.age_band,
              users.disabled_at IS NOT NULL AS disabled, users.created_at
), ended AS (
    UPDATE sign_ins SET ended_at = $6
    FROM changed
    WHERE sign_ins.user_id = changed.id AND changed.disabled AND sign_ins.ended_at IS NULL
)
SELECT person.last, changed.id, changed.email, changed.display_name, changed.role, changed.age_band,
       changed.disabled, changed.created_at
FROM person
LEFT JOIN changed ON true
