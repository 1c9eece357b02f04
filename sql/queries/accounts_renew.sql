-- All sign-ins of the account whose password was just shown ($2 is its hash) end, the one that asks too; the
-- sign-in $4 with the refresh token $5 begins, on the device of $7; one that is on its way never comes alive. Nothing
-- when the password changed meanwhile.
WITH account AS (
    UPDATE users SET credentials_no = credentials_no + 1
    WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
    RETURNING id, email, role, credentials_no
), ended AS (
    UPDATE sign_ins SET ended_at = $3
    FROM account
    WHERE sign_ins.user_id = account.id AND sign_ins.ended_at IS NULL
    RETURNING sign_ins.id
), begun AS (
    INSERT INTO sign_ins (id, user_id, created_at, last_used_at, label, credentials_no)
    SELECT $4, account.id, $3, $3, $7, account.credentials_no FROM account
    RETURNING id
), token AS (
    INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
    SELECT $5, begun.id, $3, $6 FROM begun
)
SELECT email, role, array(SELECT ended.id FROM ended) AS ended FROM account
