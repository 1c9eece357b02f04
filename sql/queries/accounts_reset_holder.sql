-- Whose reset code this is. Nothing is spent by asking.
SELECT u.id
FROM users u
JOIN reset_codes c ON c.user_id = u.id
WHERE u.email = $1 AND u.issuer IS NULL AND u.disabled_at IS NULL AND u.password_hash IS NOT NULL
  AND c.hash = $2 AND c.expires_at > $3
