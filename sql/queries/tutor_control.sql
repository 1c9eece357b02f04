-- Only forwards: of changes that come twice or late the newest stays.
UPDATE sessions s
SET control = CASE WHEN n.by IS NULL THEN 'ai' ELSE 'tutor' END, control_by = n.by, control_epoch = n.epoch
FROM (
    SELECT DISTINCT ON (c.session) c.session, c.by, c.epoch
    FROM jsonb_to_recordset($1::jsonb) AS c (session uuid, by uuid, epoch bigint)
    ORDER BY c.session, c.epoch DESC
) n
WHERE s.id = n.session AND s.control_epoch < n.epoch
