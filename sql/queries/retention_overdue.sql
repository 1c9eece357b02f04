-- What is older than it may be; NULL: nothing is too old.
SELECT (SELECT count(*) FROM sessions WHERE updated_at < $1) AS sessions,
       (SELECT count(*) FROM audit WHERE at < $2) AS audit
