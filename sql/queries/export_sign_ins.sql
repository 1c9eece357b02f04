SELECT to_jsonb(x) FROM (
    SELECT * FROM sign_ins WHERE user_id = $1 ORDER BY id
) x
