WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(718000001) AS mine), old AS (
    SELECT a.id FROM audit a, turn WHERE turn.mine AND a.at < $1 ORDER BY a.id LIMIT $2
)
DELETE FROM audit USING old WHERE audit.id = old.id
