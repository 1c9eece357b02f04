-- Ends every sign-in there is, or those of the organisation $1; how many of which organisation.
WITH ended AS (
    UPDATE sign_ins SET ended_at = $2
    FROM users u
    WHERE sign_ins.user_id = u.id AND sign_ins.ended_at IS NULL AND ($1::uuid IS NULL OR u.org_id = $1)
    RETURNING u.org_id
)
SELECT org_id, count(*) AS ended FROM ended GROUP BY org_id
