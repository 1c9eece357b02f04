DELETE FROM class_members WHERE class_id = $1 AND user_id = $2
