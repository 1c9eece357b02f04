-- Whether this student may put no question now: their account is disabled, or a consent is missing.
SELECT u.disabled_at IS NOT NULL
    OR CASE WHEN fynq.needs_consent(o.consent_required, o.consent_below, u.role, u.age_band) THEN NOT coalesce((
           SELECT c.state = 'given' AND c.version = o.consent_version FROM consents c
           WHERE c.user_id = u.id ORDER BY c.id DESC LIMIT 1
       ), false) ELSE false END AS silent
FROM users u
JOIN organisations o ON o.id = u.org_id
WHERE u.id = $1
