-- A reset code for somebody of the organisation that $3 is the admin of, in the place of an older one.
-- (`excluded` would need the right to read them.)
INSERT INTO reset_codes (user_id, hash, issued_by, created_at, expires_at)
SELECT u.id, $2, $3, $4, $5
FROM users u
WHERE u.id = $1 AND u.org_id = (SELECT fynq.org_i_run())
ON CONFLICT (user_id) DO UPDATE SET hash = $2, issued_by = $3, created_at = $4, expires_at = $5
RETURNING user_id
