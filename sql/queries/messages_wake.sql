-- Of the messages before the place $4, the newest $2 whose newer ones hold less than $3 bytes, newest
-- first. One row more than $2 is looked at, so that the caller learns (`found`) whether older ones were
-- left out.
SELECT m.session_id, m.id, m.ord, m.run_id, m.role, m.author_id, m.author_kind, m.content, m.status,
       m.finish_reason, m.error, m.usage, m.model, m.files, m.edits, m.created_at,
       coalesce(nullif(u.display_name, ''), split_part(u.email, '@', 1)) AS author_name,
       (SELECT c.id FROM messages c
        WHERE c.session_id = m.session_id AND c.author_kind = 'tutor' AND c.edits = m.id AND NOT c.superseded
        ORDER BY c.ord DESC LIMIT 1) AS corrected_by,
       m.found
FROM (
    SELECT newest.*, count(*) OVER () AS found, row_number() OVER by_age AS place,
           sum(octet_length(newest.content)) OVER by_age - octet_length(newest.content) AS newer_bytes
    FROM (
        SELECT * FROM messages
        WHERE session_id = $1 AND ord < $4 AND NOT superseded
        ORDER BY ord DESC
        LIMIT $2 + 1
    ) newest
    WINDOW by_age AS (ORDER BY newest.ord DESC)
) m
LEFT JOIN users u ON u.id = m.author_id
WHERE m.place <= $2 AND m.newer_bytes < $3
ORDER BY m.ord DESC
