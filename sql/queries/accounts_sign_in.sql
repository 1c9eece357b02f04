-- A sign-in and its first refresh token, in one statement: neither is ever there alone.
WITH family AS (
    INSERT INTO sign_ins (id, user_id, created_at)
    VALUES ($1, $2, $4)
    RETURNING id
)
INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
SELECT $3, family.id, $4, $5 FROM family
