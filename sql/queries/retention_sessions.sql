-- Sessions in which nothing happened since $1, $2 at most. One server at a time: the others get none.
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(718000001) AS mine)
SELECT s.id FROM sessions s, turn WHERE turn.mine AND s.updated_at < $1 LIMIT $2
