-- The first of $3, by its place, that $1 cannot attach to the content $2 (NULL: new): not their own, not ready, or
-- attached elsewhere. What it has already it may keep.
SELECT asked.place
FROM unnest($3::uuid[]) WITH ORDINALITY AS asked (id, place)
WHERE NOT EXISTS (SELECT FROM content_files h WHERE h.file_id = asked.id AND h.content_id = $2)
  AND (fynq.is_attached(asked.id)
      OR NOT EXISTS (SELECT FROM files f WHERE f.id = asked.id AND f.owner_id = $1 AND f.state = 'ready'))
ORDER BY asked.place
LIMIT 1
