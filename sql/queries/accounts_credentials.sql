SELECT id, email, role, display_name, locale, grade, age_band, created_at, updated_at,
       password_hash, credentials_no, disabled_at IS NOT NULL AS disabled
FROM users
WHERE email = $1 AND issuer IS NULL
