-- People whose accounts are Supabase's: who they are is (issuer, id), never an e-mail address.

-- Unset: a local account. An address is one account's among the local ones; among the others it is a
-- fact about a person that may change hands.
ALTER TABLE users ADD COLUMN issuer text;
DROP INDEX users_email;
CREATE UNIQUE INDEX users_email ON users (email) WHERE issuer IS NULL;
-- Making an account looks at it for the index.
GRANT SELECT (issuer) ON users TO fynq_admin;

-- A sign-in of Supabase's is never swept: it goes on without us, and one that was ended here must stay
-- ended.
ALTER TABLE sign_ins ADD COLUMN external boolean NOT NULL DEFAULT false;

-- People of Supabase's who were deleted here. Their tokens live on for a while, and without this the
-- next one would make them anew.
-- Named whole: where the login role is called fynq, a new table would else go into the schema fynq.
CREATE TABLE public.gone_users (
    id      uuid PRIMARY KEY,
    gone_at timestamptz NOT NULL
);
ALTER TABLE public.gone_users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.gone_users FORCE ROW LEVEL SECURITY;
REVOKE ALL ON TABLE public.gone_users FROM PUBLIC;
DO $$
DECLARE
    other text;
BEGIN
    FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
            EXECUTE format('REVOKE ALL ON TABLE public.gone_users FROM %I', other);
        END IF;
    END LOOP;
END
$$;
CREATE POLICY at_the_door ON public.gone_users TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON public.gone_users TO fynq_door;

-- By a trigger, so that no way of deleting can forget it. It writes as the door does: whoever may delete
-- a person needs no right of its own here.
CREATE FUNCTION fynq.remember_gone_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.gone_users (id, gone_at) VALUES (OLD.id, now()) ON CONFLICT (id) DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER remember_gone_user AFTER DELETE ON users
FOR EACH ROW WHEN (OLD.issuer IS NOT NULL) EXECUTE FUNCTION fynq.remember_gone_user();
-- First, while it is still its maker's to say.
REVOKE ALL ON FUNCTION fynq.remember_gone_user() FROM PUBLIC;
GRANT CREATE ON SCHEMA fynq TO fynq_door;
ALTER FUNCTION fynq.remember_gone_user() OWNER TO fynq_door;
REVOKE CREATE ON SCHEMA fynq FROM fynq_door;
