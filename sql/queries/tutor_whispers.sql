-- Whispers to be kept: `ON CONFLICT`, because a commit of unknown outcome is tried again.
INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at)
SELECT n.id, n.session, n.tutor, n.text, n.until, n.kind, 'waiting', n.at
FROM jsonb_to_recordset($1::jsonb) AS n (
    id uuid, session uuid, tutor uuid, text text, until text, kind text, at timestamptz
)
ON CONFLICT DO NOTHING
