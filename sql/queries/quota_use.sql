-- What is charged to whoever asks, and to the classes that they are a student of.
SELECT q.subject, m.class_id IS NOT NULL AS is_class, q.span, q.messages, q.tokens
FROM quota_use q
LEFT JOIN class_members m ON m.class_id = q.subject AND m.user_id = $1 AND m.member_as = 'student'
WHERE (q.subject = $1 OR m.class_id IS NOT NULL)
  AND ((q.span = 'day' AND q.starts = $2::date) OR (q.span = 'month' AND q.starts = date_trunc('month', $2::date)))
