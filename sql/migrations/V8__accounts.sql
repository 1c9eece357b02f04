-- What somebody needs to look after an account of their own: sign-ins that can be told apart, and a way
-- back in when the password is forgotten.

-- Rises with every change of what one signs in with. A sign-in belongs to the number under which its
-- password was looked at: one that was on its way while the password changed never comes alive.
ALTER TABLE users ADD COLUMN credentials_no integer NOT NULL DEFAULT 0;
ALTER TABLE sign_ins ADD COLUMN credentials_no integer NOT NULL DEFAULT 0;
-- Words of ours for the browser and its system, such as 'Firefox on Windows'.
ALTER TABLE sign_ins ADD COLUMN label text NOT NULL DEFAULT '';
ALTER TABLE sign_ins ADD COLUMN last_used_at timestamptz;
GRANT SELECT (credentials_no) ON users TO fynq_user;

-- One-time codes that an admin hands to somebody who forgot the password. One for a person at most: a
-- new one replaces it. The schema is named: a login role called fynq has the schema fynq first in its path.
CREATE TABLE public.reset_codes (
    user_id    uuid PRIMARY KEY REFERENCES public.users (id) ON DELETE CASCADE,
    hash       bytea NOT NULL,
    -- Null: whoever runs the server.
    issued_by  uuid REFERENCES public.users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

ALTER TABLE public.reset_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.reset_codes FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE public.reset_codes FROM PUBLIC;
DO $$
DECLARE
    other text;
BEGIN
    FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
            EXECUTE format('REVOKE ALL ON TABLE public.reset_codes FROM %I', other);
        END IF;
    END LOOP;
END
$$;

-- An admin makes them for the organisation's people, and reads none.
CREATE POLICY administered ON public.reset_codes TO fynq_admin
    USING (user_id IN (SELECT u.id FROM users u WHERE u.org_id = (SELECT fynq.org_i_run())))
    WITH CHECK (user_id IN (SELECT u.id FROM users u WHERE u.org_id = (SELECT fynq.org_i_run())));
GRANT SELECT (user_id), INSERT, UPDATE (hash, issued_by, created_at, expires_at) ON public.reset_codes TO fynq_admin;
CREATE POLICY at_the_door ON public.reset_codes TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.reset_codes TO fynq_door;
CREATE POLICY swept ON public.reset_codes TO fynq_jobs USING (true);
GRANT SELECT (user_id, expires_at), DELETE ON public.reset_codes TO fynq_jobs;
