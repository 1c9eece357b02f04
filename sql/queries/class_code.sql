-- The code before this one joins nothing any more.
UPDATE classes SET join_code = $2 WHERE id = $1
