-- The places of what waits for its run begin at $2: they say nothing about the conversation's.
SELECT s.id, s.student_id, coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS student_name,
       s.title, s.subject, s.hand_raised, s.hand_raised_at, s.hand_claimed_by, s.updated_at, s.done, s.org_id,
       o.show_watchers, s.control, s.control_by, s.control_epoch,
       coalesce(nullif(h.display_name, ''), split_part(h.email, '@', 1), '') AS control_name,
       coalesce(nullif(k.display_name, ''), split_part(k.email, '@', 1), '') AS claimed_name,
       coalesce((SELECT max(m.ord) FROM messages m WHERE m.session_id = s.id AND m.ord < $2), 0) AS last_ord,
       (SELECT coalesce(jsonb_agg(to_jsonb(w) ORDER BY w.created_at, w.id), '[]') FROM (
            SELECT w.id, w.tutor_id, w.text, w.until, w.kind, w.created_at,
                   coalesce(nullif(t.display_name, ''), split_part(t.email, '@', 1), '') AS tutor_name
            FROM whispers w
            LEFT JOIN users t ON t.id = w.tutor_id
            WHERE w.session_id = s.id AND w.state = 'waiting'
        ) w) AS whispers,
       d.user_id AS dealt_by, d.dealt_at,
       coalesce(nullif(p.display_name, ''), split_part(p.email, '@', 1), '') AS dealt_name
FROM sessions s
JOIN users u ON u.id = s.student_id
JOIN organisations o ON o.id = s.org_id
LEFT JOIN users h ON h.id = s.control_by
LEFT JOIN users k ON k.id = s.hand_claimed_by
LEFT JOIN LATERAL (
    SELECT m.user_id, m.dealt_at
    FROM signal_marks m
    WHERE m.session_id = s.id AND m.kind = 'safety' AND m.dealt_at IS NOT NULL
    ORDER BY m.dealt_at DESC
    LIMIT 1
) d ON true
LEFT JOIN users p ON p.id = d.user_id
WHERE s.id = $1
