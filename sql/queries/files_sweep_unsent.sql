-- Students' files from before $1 that were never sent nor attached, and what is left of deleted ones that nothing
-- names. What somebody else is just busy with has its turn the next time.
SELECT fynq.end_files(ARRAY(
    SELECT f.id FROM files f LEFT JOIN users u ON u.id = f.owner_id
    WHERE NOT EXISTS (SELECT FROM file_uses s WHERE s.file_id = f.id)
      AND NOT EXISTS (SELECT FROM content_files h WHERE h.file_id = f.id)
      AND (f.state = 'deleted' OR (f.state = 'ready' AND u.role = 'student' AND f.created_at < $1))
    FOR UPDATE OF f SKIP LOCKED
), false) AS gone
