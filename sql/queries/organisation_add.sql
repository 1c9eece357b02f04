INSERT INTO organisations (id, name, created_at)
SELECT $1, $2, $3
WHERE NOT EXISTS (SELECT FROM organisations WHERE lower(name) = lower($2))
