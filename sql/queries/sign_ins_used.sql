-- When each of these sign-ins was last used.
UPDATE sign_ins SET last_used_at = used.at
FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
WHERE sign_ins.id = used.id AND (sign_ins.last_used_at IS NULL OR sign_ins.last_used_at < used.at)
