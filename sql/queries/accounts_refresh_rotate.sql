-- Trades the refresh token $1 for $2. The row is locked first, so of two uses of one token at the same
-- moment one comes second and sees `used`; that one ends the sign-in. A sign-in that began before $5 is too
-- old, and no token outlives it.
WITH token AS MATERIALIZED (
    SELECT r.hash, r.sign_in_id, s.created_at AS began_at, u.id AS user_id, u.email, u.role,
           r.used_at IS NOT NULL AS used,
           r.used_at IS NULL AND r.expires_at > $3 AND s.ended_at IS NULL AND u.disabled_at IS NULL
               AND s.credentials_no = u.credentials_no AND s.created_at > $5 AS good
    FROM refresh_tokens r
    JOIN sign_ins s ON s.id = r.sign_in_id
    JOIN users u ON u.id = s.user_id
    WHERE r.hash = $1 AND u.issuer IS NULL
    FOR UPDATE OF r, s
), spent AS (
    UPDATE refresh_tokens SET used_at = $3
    FROM token
    WHERE refresh_tokens.hash = token.hash AND token.good
), next AS (
    INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
    SELECT $2, token.sign_in_id, $3, least($4, token.began_at + ($3 - $5)) FROM token WHERE token.good
), seen AS (
    UPDATE sign_ins SET last_used_at = $3
    FROM token
    WHERE sign_ins.id = token.sign_in_id AND token.good
), ended AS (
    UPDATE sign_ins SET ended_at = $3
    FROM token
    WHERE sign_ins.id = token.sign_in_id AND token.used AND sign_ins.ended_at IS NULL
)
SELECT sign_in_id, user_id, email, role, used, good FROM token
