-- What the organisation asks for of $1, and the newest that was recorded for them.
SELECT fynq.needs_consent(o.consent_required, o.consent_below, u.role, u.age_band) AS required,
       o.consent_version AS wanted, c.state, c.given_by, c.version, c.at
FROM users u
JOIN organisations o ON o.id = u.org_id
LEFT JOIN LATERAL (
    SELECT * FROM consents WHERE consents.user_id = u.id ORDER BY consents.id DESC LIMIT 1
) c ON true
WHERE u.id = $1
