SELECT org_id FROM users WHERE id = $1
