-- Of a hand that is down there is nothing to claim; of claims that come late the newest stays.
UPDATE sessions s SET hand_claimed_by = n.by, hand_claimed_at = n.at
FROM (
    SELECT DISTINCT ON (c.session) c.session, c.by, c.at
    FROM jsonb_to_recordset($1::jsonb) AS c (session uuid, by uuid, at timestamptz)
    ORDER BY c.session, c.at DESC
) n
WHERE s.id = n.session AND s.hand_raised AND (s.hand_claimed_at IS NULL OR s.hand_claimed_at < n.at)
