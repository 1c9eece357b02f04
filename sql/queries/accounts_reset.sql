-- Spends a reset code: deleting it is what makes it work once, also for two at the same moment. All
-- sign-ins of its holder end.
WITH code AS (
    DELETE FROM reset_codes c
    USING users u
    WHERE u.email = $1 AND u.issuer IS NULL AND u.disabled_at IS NULL AND u.password_hash IS NOT NULL
      AND c.user_id = u.id AND c.hash = $2 AND c.expires_at > $4
    RETURNING c.user_id
), changed AS (
    UPDATE users SET password_hash = $3, credentials_no = credentials_no + 1, updated_at = $4
    FROM code
    WHERE users.id = code.user_id
    RETURNING users.id
), ended AS (
    UPDATE sign_ins SET ended_at = $4
    FROM changed
    WHERE sign_ins.user_id = changed.id AND sign_ins.ended_at IS NULL
    RETURNING sign_ins.id
)
SELECT changed.id, array(SELECT ended.id FROM ended) AS ended FROM changed
