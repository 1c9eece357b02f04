SELECT asked.place
FROM unnest($2::uuid[]) WITH ORDINALITY AS asked (id, place)
WHERE NOT EXISTS (SELECT FROM files f WHERE f.id = asked.id AND f.owner_id = $1 AND f.state = 'ready')
ORDER BY asked.place
LIMIT 1
