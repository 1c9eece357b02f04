UPDATE organisations SET name = $2
FROM users a
WHERE a.id = $1 AND a.role = 'admin' AND a.disabled_at IS NULL AND organisations.id = a.org_id
RETURNING organisations.id, organisations.name, organisations.created_at
