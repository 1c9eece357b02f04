-- An account in the organisation that $1 is the admin of. No row when the address is taken, or $1 is no
-- admin any more.
INSERT INTO users (id, email, password_hash, role, display_name, age_band, created_at, updated_at, org_id)
SELECT $2, $3, $4, $5, $6, $8, $7, $7, a.org_id
FROM users a
WHERE a.id = $1 AND a.role = 'admin' AND a.disabled_at IS NULL
ON CONFLICT (email) WHERE issuer IS NULL DO NOTHING
RETURNING id, email, display_name, role, age_band, disabled_at IS NOT NULL AS disabled, created_at
