SELECT w.problems, w.model, w.created_at FROM worksheets w WHERE w.file_id = $1
