SELECT to_jsonb(x) FROM (
    SELECT id, email, role, display_name, locale, grade, age_band, disabled_at, created_at, updated_at, org_id
    FROM users WHERE id = $1
) x
