-- A sign-in and its first refresh token, in one statement: neither is ever there alone. Nothing when the
-- account was disabled, or its password changed, since the password was looked at.
WITH family AS (
    INSERT INTO sign_ins (id, user_id, created_at, last_used_at, label, credentials_no)
    SELECT $1, u.id, $4, $4, $6, u.credentials_no
    FROM users u
    WHERE u.id = $2 AND u.credentials_no = $7 AND u.disabled_at IS NULL
    RETURNING id
)
INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
SELECT $3, family.id, $4, $5 FROM family
