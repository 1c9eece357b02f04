SELECT id FROM sessions WHERE student_id = $1
