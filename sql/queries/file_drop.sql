-- What did not arrive.
DELETE FROM files WHERE id = $1 AND owner_id = $2 AND state = 'arriving'
