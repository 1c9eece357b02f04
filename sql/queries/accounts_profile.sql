-- Each value is set only where the flag before it says so.
UPDATE users
SET display_name = CASE WHEN $2 THEN $3 ELSE display_name END,
    locale = CASE WHEN $4 THEN $5 ELSE locale END,
    grade = CASE WHEN $6 THEN $7 ELSE grade END,
    updated_at = $8
WHERE id = $1
RETURNING id, email, role, display_name, locale, grade, age_band, created_at, updated_at
