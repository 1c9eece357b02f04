SELECT id, email, role, display_name, locale, grade, age_band, created_at, updated_at
FROM users
WHERE id = $1
