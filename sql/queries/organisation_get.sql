-- The organisation of $1.
SELECT o.id, o.name, o.created_at
FROM organisations o
JOIN users a ON a.id = $1 AND a.org_id = o.id
