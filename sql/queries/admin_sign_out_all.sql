-- Ends every sign-in of the organisation that $1 is the admin of, and counts them. No row: $1 is the admin of none.
WITH admin AS (
    SELECT a.org_id FROM users a WHERE a.id = $1 AND a.role = 'admin' AND a.disabled_at IS NULL
), ended AS (
    UPDATE sign_ins SET ended_at = $2
    FROM users u
    JOIN admin ON admin.org_id = u.org_id
    WHERE sign_ins.user_id = u.id AND sign_ins.ended_at IS NULL
    RETURNING sign_ins.id
)
SELECT (SELECT count(*) FROM ended) AS ended FROM admin
