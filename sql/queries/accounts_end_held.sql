-- Ends the sign-in that a refresh token belongs to, used or not: whoever shows it leaves it.
UPDATE sign_ins SET ended_at = $2
FROM refresh_tokens r
WHERE r.hash = $1 AND sign_ins.id = r.sign_in_id AND sign_ins.ended_at IS NULL
RETURNING sign_ins.id, sign_ins.user_id
