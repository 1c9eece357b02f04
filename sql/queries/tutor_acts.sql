INSERT INTO tutor_acts (id, session_id, actor_id, kind, message_id, whisper_id, at)
SELECT n.id, n.session, n.actor, n.kind, n.message, n.whisper, n.at
FROM jsonb_to_recordset($1::jsonb) AS n (
    id uuid, session uuid, actor uuid, kind text, message uuid, whisper uuid, at timestamptz
)
ON CONFLICT DO NOTHING
