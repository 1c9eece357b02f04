-- Makes the admin that the settings name. An account of that address which is no admin may have been
-- registered by anybody: it is raised, but with the settings' password, and all its sign-ins end. An
-- admin's own password is never overwritten.
WITH admin AS (
    INSERT INTO users (id, email, password_hash, role, display_name, created_at, updated_at)
    VALUES ($1, $2, $3, 'admin', '', $4, $4)
    ON CONFLICT (email) WHERE issuer IS NULL DO UPDATE
    SET role = 'admin', password_hash = $3, disabled_at = NULL, updated_at = $4,
        credentials_no = users.credentials_no + 1
    WHERE users.role <> 'admin'
    RETURNING id
), ended AS (
    UPDATE sign_ins SET ended_at = $4
    FROM admin
    WHERE sign_ins.user_id = admin.id AND sign_ins.ended_at IS NULL
)
SELECT id FROM admin
