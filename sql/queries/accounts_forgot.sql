SELECT id FROM users WHERE email = $1 AND issuer IS NULL AND disabled_at IS NULL
