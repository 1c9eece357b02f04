-- By name, or by id as it is written.
SELECT id, name FROM organisations WHERE lower(name) = lower($1) OR id::text = lower($1)
