-- A new address for the account whose password was just shown ($2 is its hash). The sign-in $5 goes on,
-- all others end, and so does a reset code. An address that is taken breaks the index.
WITH changed AS (
    UPDATE users SET email = $3, credentials_no = credentials_no + 1, updated_at = $4
    WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
    RETURNING id, email, role, display_name, locale, grade, age_band, created_at, updated_at, credentials_no
), kept AS (
    UPDATE sign_ins SET credentials_no = changed.credentials_no
    FROM changed
    WHERE sign_ins.id = $5 AND sign_ins.user_id = changed.id
), ended AS (
    UPDATE sign_ins SET ended_at = $4
    FROM changed
    WHERE sign_ins.user_id = changed.id AND sign_ins.id <> $5 AND sign_ins.ended_at IS NULL
    RETURNING sign_ins.id
), codes AS (
    DELETE FROM reset_codes USING changed WHERE reset_codes.user_id = changed.id
)
SELECT changed.*, array(SELECT ended.id FROM ended) AS ended FROM changed
