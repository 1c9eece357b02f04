-- Those of $1 that still are as old as that.
DELETE FROM sessions WHERE id = ANY ($1) AND updated_at < $2
