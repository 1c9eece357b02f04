SELECT u.email, u.display_name, u.disabled_at IS NOT NULL AS disabled, o.name AS organisation
FROM users u
JOIN organisations o ON o.id = u.org_id
WHERE u.role = 'admin'
ORDER BY o.name, u.email
