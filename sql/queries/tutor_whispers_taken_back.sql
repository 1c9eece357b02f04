-- The commit of what was refused may still be on its way: it finds a row that has ended, and changes nothing.
INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at, ended_at)
SELECT n.id, n.session, n.tutor, n.text, n.until, n.kind, 'withdrawn', n.at, n.ended
FROM jsonb_to_recordset($1::jsonb) AS n (
    id uuid, session uuid, tutor uuid, text text, until text, kind text, at timestamptz, ended timestamptz
)
JOIN sessions s ON s.id = n.session
ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at
WHERE whispers.session_id = excluded.session_id AND whispers.state = 'waiting'
