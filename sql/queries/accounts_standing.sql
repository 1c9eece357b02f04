-- What a sign-in is worth now.
SELECT s.id, s.user_id, u.org_id, u.role, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS name,
       s.ended_at IS NOT NULL OR s.credentials_no <> u.credentials_no AS ended,
       u.disabled_at IS NOT NULL AS disabled,
       CASE WHEN fynq.needs_consent(o.consent_required, o.consent_below, u.role, u.age_band) THEN NOT coalesce((
           SELECT c.state = 'given' AND c.version = o.consent_version FROM consents c
           WHERE c.user_id = u.id ORDER BY c.id DESC LIMIT 1
       ), false) ELSE false END AS mute
FROM sign_ins s
JOIN users u ON u.id = s.user_id
JOIN organisations o ON o.id = u.org_id
WHERE s.id = ANY ($1)
