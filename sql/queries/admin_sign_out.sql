-- Ends every sign-in of $2, somebody of the organisation that $1 is the admin of.
WITH person AS (
    SELECT u.id
    FROM users u
    JOIN users a ON a.id = $1 AND a.role = 'admin' AND a.disabled_at IS NULL AND a.org_id = u.org_id
    WHERE u.id = $2
), ended AS (
    UPDATE sign_ins SET ended_at = $3
    FROM person
    WHERE sign_ins.user_id = person.id AND sign_ins.ended_at IS NULL
)
SELECT id FROM person
