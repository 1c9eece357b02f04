-- By its author or the admin.
DELETE FROM content c
USING users u
WHERE c.id = $1 AND u.id = $2 AND u.org_id = c.org_id
  AND ((u.role = 'tutor' AND c.author_id = u.id) OR u.role = 'admin')
