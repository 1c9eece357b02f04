-- The people of the organisation that $1 is the admin of, the newest first; $2 is a search pattern or null,
-- $3 the last one of the page before.
SELECT u.id, u.email, u.display_name, u.role, u.age_band, u.disabled_at IS NOT NULL AS disabled, u.created_at
FROM users u
JOIN users a ON a.id = $1 AND a.role = 'admin' AND a.disabled_at IS NULL AND a.org_id = u.org_id
WHERE ($2::text IS NULL OR u.email ILIKE $2 OR u.display_name ILIKE $2)
  AND ($3::uuid IS NULL OR u.id < $3)
ORDER BY u.id DESC
LIMIT $4
