-- Of each session, the conversation from `first` on, up to where what takes its place begins. What still
-- waits for its run was said after all of it.
UPDATE messages m SET superseded = true
FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS n (session_id, first, before)
WHERE m.session_id = n.session_id AND m.ord >= n.first AND m.ord < n.before
  AND m.status <> 'queued' AND NOT m.superseded
