-- People, their sign-ins, and what proves who they are. Secrets are kept as hashes only.

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    -- Stored in lower case.
    email         text NOT NULL,
    password_hash text,
    role          text NOT NULL CHECK (role IN ('student', 'tutor', 'admin')),
    display_name  text NOT NULL DEFAULT '',
    locale        text NOT NULL DEFAULT 'en',
    grade         text,
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email);

-- One row per sign-in: the family that its refresh tokens belong to.
CREATE TABLE sign_ins (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sign_ins_user ON sign_ins (user_id);

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY,
    sign_in_id uuid NOT NULL REFERENCES sign_ins (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_sign_in ON refresh_tokens (sign_in_id);

CREATE TABLE socket_tickets (
    hash             bytea PRIMARY KEY,
    user_id          uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sign_in_id       uuid,
    origin           text,
    token_expires_at timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL
);
CREATE INDEX socket_tickets_expiry ON socket_tickets (expires_at);

-- No policies on purpose: on Supabase the anon role reaches every table of this schema through
-- PostgREST, and must see nothing. The owner, who fynq connects as, is not held by them.
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_ins ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE socket_tickets ENABLE ROW LEVEL SECURITY;
