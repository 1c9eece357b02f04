DELETE FROM classes WHERE id = $1
