-- The row stays locked to the end of the transaction: of two uses of one token, one comes second.
SELECT r.sign_in_id, r.used_at IS NOT NULL AS used, r.expires_at, s.ended_at IS NOT NULL AS ended,
       u.id AS user_id, u.email, u.role, u.disabled_at IS NOT NULL AS disabled
FROM refresh_tokens r
JOIN sign_ins s ON s.id = r.sign_in_id
JOIN users u ON u.id = s.user_id
WHERE r.hash = $1
FOR UPDATE OF r, s
