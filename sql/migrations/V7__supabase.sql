-- People whose accounts are Supabase's: who they are is (issuer, id), never an e-mail address.

-- Unset: a local account. An address is one account's among the local ones; among the others it is a
-- fact about a person that may change hands.
ALTER TABLE users ADD COLUMN issuer text;
DROP INDEX users_email;
CREATE UNIQUE INDEX users_email ON users (email) WHERE issuer IS NULL;

-- People of Supabase's who were deleted here. Their tokens live on for a while, and without this the
-- next one would make them anew.
CREATE TABLE gone_users (
    id      uuid PRIMARY KEY,
    gone_at timestamptz NOT NULL
);
ALTER TABLE gone_users ENABLE ROW LEVEL SECURITY;

-- A trigger, so that no way of deleting can forget it. It runs as its owner: whoever may delete a
-- person needs no right to write here.
CREATE FUNCTION remember_gone_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.gone_users (id, gone_at) VALUES ($1, now()) ON CONFLICT (id) DO NOTHING',
                   TG_TABLE_SCHEMA) USING OLD.id;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION remember_gone_user() FROM PUBLIC;

CREATE TRIGGER remember_gone_user AFTER DELETE ON users
FOR EACH ROW WHEN (OLD.issuer IS NOT NULL) EXECUTE FUNCTION remember_gone_user();
