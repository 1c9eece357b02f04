UPDATE signal_events e SET ended_at = n.at
FROM jsonb_to_recordset($1::jsonb) AS n (id uuid, at timestamptz)
WHERE e.id = n.id AND e.ended_at IS NULL
