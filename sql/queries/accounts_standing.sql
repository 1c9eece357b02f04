-- What a sign-in is worth now.
SELECT s.id, s.user_id, u.org_id, u.role, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS name,
       s.ended_at IS NOT NULL OR s.credentials_no <> u.credentials_no AS ended,
       u.disabled_at IS NOT NULL AS disabled
FROM sign_ins s
JOIN users u ON u.id = s.user_id
WHERE s.id = ANY ($1)
