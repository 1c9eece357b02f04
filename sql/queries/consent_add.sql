-- No row when there is no such user in the organisation of whoever records it.
INSERT INTO consents (id, user_id, state, given_by, name, version, recorded_by, at)
SELECT $1, u.id, $3, $4, $5, $6, $7, $8 FROM users u WHERE u.id = $2 AND u.org_id = fynq.org_i_run()
