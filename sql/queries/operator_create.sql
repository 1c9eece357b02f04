-- No row when the address is taken. Without an organisation: the one that everybody belongs to at first.
INSERT INTO users (id, email, password_hash, role, display_name, created_at, updated_at, org_id)
VALUES ($1, $2, $3, 'admin', '', $4, $4, coalesce($5::uuid, '00000000-0000-7000-8000-000000000001'))
ON CONFLICT (email) WHERE issuer IS NULL DO NOTHING
RETURNING id
