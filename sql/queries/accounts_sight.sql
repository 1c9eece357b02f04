-- Somebody of Supabase's with a sign-in, made where missing. The role counts at the first time only;
-- the address follows what Supabase says. No row: deleted here, or the id is a local account's.
WITH person AS (
    INSERT INTO users (id, email, role, display_name, issuer, created_at, updated_at)
    SELECT $1, $2, $3, '', $4, $6, $6
    WHERE NOT EXISTS (SELECT 1 FROM gone_users WHERE gone_users.id = $1)
    ON CONFLICT (id) DO UPDATE
    SET email = $2, updated_at = CASE WHEN users.email = $2 THEN users.updated_at ELSE $6 END
    WHERE users.issuer = $4
    RETURNING id, xmax = 0 AS made
), sign_in AS (
    INSERT INTO sign_ins (id, user_id, created_at, external)
    SELECT $5, person.id, $6, true FROM person
    ON CONFLICT (id) DO NOTHING
    RETURNING 1
)
SELECT made, EXISTS (SELECT FROM sign_in) AS began FROM person
