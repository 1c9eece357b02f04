-- The sign-ins of $1 that are alive, newest first; ($2, $3) the last row of the page before.
SELECT s.id, s.created_at, coalesce(s.last_used_at, s.created_at) AS last_used_at, s.label
FROM sign_ins s
JOIN users u ON u.id = s.user_id AND u.credentials_no = s.credentials_no
WHERE s.user_id = $1 AND s.ended_at IS NULL
  AND ($2::timestamptz IS NULL OR (s.created_at, s.id) < ($2, $3))
ORDER BY s.created_at DESC, s.id DESC
LIMIT $4
