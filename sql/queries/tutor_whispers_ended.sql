-- What has ended stays as it ended.
UPDATE whispers w SET state = n.state, run_id = n.run, ended_at = n.at
FROM jsonb_to_recordset($1::jsonb) AS n (session uuid, id uuid, state text, run uuid, at timestamptz)
WHERE w.id = n.id AND w.session_id = n.session AND w.state = 'waiting'
