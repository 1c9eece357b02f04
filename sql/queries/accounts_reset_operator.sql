-- As accounts_reset_issue, by whoever runs the server and for anybody who has a password here.
INSERT INTO reset_codes (user_id, hash, issued_by, created_at, expires_at)
SELECT u.id, $2, NULL, $3, $4
FROM users u
WHERE u.email = $1 AND u.issuer IS NULL AND u.password_hash IS NOT NULL
ON CONFLICT (user_id) DO UPDATE SET hash = $2, issued_by = NULL, created_at = $3, expires_at = $4
RETURNING user_id
