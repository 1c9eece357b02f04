-- Its author's, or of the organisation that $2 is the admin of.
DELETE FROM tutor_notes n
WHERE n.id = $1 AND n.student_id <> $2
  AND (n.author_id = $2 OR EXISTS (
      SELECT FROM users a WHERE a.id = $2 AND a.role = 'admin' AND a.org_id = n.org_id
  ))
