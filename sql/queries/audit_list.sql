-- Of the organisation $3, newest first; $1 the last row of the page before. What is nobody's (a wrong address,
-- say) is shown while there is one organisation only.
SELECT a.id, a.at, a.event, a.actor_id,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS actor_name,
       a.subject_kind, a.subject_id, host(a.address) AS address, a.detail
FROM audit a
LEFT JOIN users u ON u.id = a.actor_id
WHERE (a.org_id = $3 OR (a.org_id IS NULL AND (SELECT fynq.only_school())))
  AND ($1::uuid IS NULL OR a.id < $1)
ORDER BY a.id DESC
LIMIT $2
