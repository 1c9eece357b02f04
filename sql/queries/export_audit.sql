-- What is written down about $1, after $2. Whence somebody else did it is theirs.
SELECT to_jsonb(x) FROM (
    SELECT id, at, event, actor_id, subject_kind, subject_id,
           CASE WHEN actor_id = $1 THEN host(address) END AS address, detail
    FROM audit
    WHERE (about_id = $1 OR actor_id = $1) AND ($2::uuid IS NULL OR id > $2)
    ORDER BY id
    LIMIT $3
) x
