SELECT to_jsonb(x) FROM (
    SELECT id, state, given_by AS "by", name, version, recorded_by, at FROM consents WHERE user_id = $1 ORDER BY id
) x
