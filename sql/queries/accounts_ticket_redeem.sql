-- Deleting is what makes a ticket work once, also for two sockets at the same moment.
WITH ticket AS (
    DELETE FROM socket_tickets WHERE hash = $1
    RETURNING user_id, sign_in_id, origin, token_expires_at, expires_at
)
SELECT ticket.user_id, ticket.sign_in_id, ticket.origin, ticket.token_expires_at, ticket.expires_at,
       u.org_id, u.role, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS name,
       s.ended_at IS NOT NULL OR s.credentials_no <> u.credentials_no AS ended,
       u.disabled_at IS NOT NULL AS disabled,
       CASE WHEN fynq.needs_consent(o.consent_required, o.consent_below, u.role, u.age_band) THEN NOT coalesce((
           SELECT c.state = 'given' AND c.version = o.consent_version FROM consents c
           WHERE c.user_id = u.id ORDER BY c.id DESC LIMIT 1
       ), false) ELSE false END AS mute
FROM ticket
JOIN sign_ins s ON s.id = ticket.sign_in_id AND s.user_id = ticket.user_id
JOIN users u ON u.id = s.user_id
JOIN organisations o ON o.id = u.org_id
