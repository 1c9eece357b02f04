-- A new password in the place of the one that was just shown ($2 is its hash): nothing when another
-- change came first. All sign-ins end, the one that asks too, and so does a reset code; the sign-in $4 with the
-- refresh token $5 begins, on the device of $7.
WITH changed AS (
    UPDATE users SET password_hash = $8, credentials_no = credentials_no + 1, updated_at = $3
    WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
    RETURNING id, email, role, credentials_no
), ended AS (
    UPDATE sign_ins SET ended_at = $3
    FROM changed
    WHERE sign_ins.user_id = changed.id AND sign_ins.ended_at IS NULL
    RETURNING sign_ins.id
), codes AS (
    DELETE FROM reset_codes USING changed WHERE reset_codes.user_id = changed.id
), begun AS (
    INSERT INTO sign_ins (id, user_id, created_at, last_used_at, label, credentials_no)
    SELECT $4, changed.id, $3, $3, $7, changed.credentials_no FROM changed
    RETURNING id
), token AS (
    INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
    SELECT $5, begun.id, $3, $6 FROM begun
)
SELECT email, role, array(SELECT ended.id FROM ended) AS ended FROM changed
