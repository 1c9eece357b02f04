SELECT id FROM users WHERE email = $1 AND disabled_at IS NULL
