-- What ended before $1, and what a schedule made and ended well before $2; $3 rows at most.
DELETE FROM tasks WHERE id IN (
    SELECT t.id FROM tasks t
    WHERE t.ended_at < $1 OR (t.ended_at < $2 AND t.status = 'succeeded' AND t.org_id IS NULL)
    LIMIT $3
)
