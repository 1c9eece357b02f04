-- No row when the address is taken, in whichever case it was written.
INSERT INTO users (id, email, password_hash, role, display_name, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (email) WHERE issuer IS NULL DO NOTHING
RETURNING id, email, role, display_name, locale, grade, created_at, updated_at
