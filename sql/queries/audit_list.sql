-- Newest first; $1 the last row of the page before.
SELECT a.id, a.at, a.event, a.actor_id,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS actor_name,
       a.subject_kind, a.subject_id, host(a.address) AS address, a.detail
FROM audit a
LEFT JOIN users u ON u.id = a.actor_id
WHERE $1::uuid IS NULL OR a.id < $1
ORDER BY a.id DESC
LIMIT $2
