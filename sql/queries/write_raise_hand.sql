UPDATE sessions s SET hand_raised = n.raised
FROM unnest($1::uuid[], $2::boolean[]) AS n (id, raised)
WHERE s.id = n.id AND s.hand_raised <> n.raised
