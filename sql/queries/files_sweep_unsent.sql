-- Students' files from before $1 that were never sent nor attached, and what is left of deleted ones that nothing names.
DELETE FROM files f USING users u
WHERE u.id = f.owner_id AND NOT EXISTS (SELECT FROM content_files h WHERE h.file_id = f.id)
  AND NOT EXISTS (SELECT FROM file_uses s WHERE s.file_id = f.id)
  AND (f.state = 'deleted' OR (f.state = 'ready' AND u.role = 'student' AND f.created_at < $1))
