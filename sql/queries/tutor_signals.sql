INSERT INTO signal_events (id, session_id, kind, level, score, why, started_at)
SELECT n.id, n.session, n.kind, n.level, n.score, n.why, n.at
FROM jsonb_to_recordset($1::jsonb) AS n (
    id uuid, session uuid, kind text, level int2, score int2, why text, at timestamptz
)
ON CONFLICT DO NOTHING
