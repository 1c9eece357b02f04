WITH old AS (
    UPDATE refresh_tokens SET used_at = $3 WHERE hash = $1
    RETURNING sign_in_id
)
INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
SELECT $2, old.sign_in_id, $3, $4 FROM old
