-- Sessions and their messages: one row per message, never one per token.

-- `updated_at` changes with every message and stays out of every index, so that the update is HOT
-- (the row's new version lies on the same page and no index is written); hence the free room.
CREATE TABLE sessions (
    id          uuid PRIMARY KEY,
    student_id  uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title       text,
    subject     text,
    control     text NOT NULL DEFAULT 'ai' CHECK (control IN ('ai', 'tutor')),
    hand_raised boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sessions_student ON sessions (student_id);

-- `ord` is the session's own numbering, given by its task. Few indexes: each costs the writer.
CREATE TABLE messages (
    session_id    uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id            uuid NOT NULL,
    ord           bigint NOT NULL,
    run_id        uuid NOT NULL,
    role          text NOT NULL CHECK (role IN ('user', 'assistant')),
    author_id     uuid,
    author_kind   text NOT NULL CHECK (author_kind IN ('student', 'assistant', 'tutor')),
    content       text NOT NULL,
    status        text NOT NULL CHECK (
        status IN ('queued', 'streaming', 'complete', 'stopped', 'failed', 'interrupted')
    ),
    finish_reason text,
    error         text,
    usage         jsonb,
    model         text,
    files         uuid[] NOT NULL DEFAULT '{}',
    -- Of a queued message: the one that it supersedes when its run begins.
    edits         uuid,
    superseded    boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (session_id, id),
    UNIQUE (session_id, ord)
) WITH (fillfactor = 90);
CREATE INDEX messages_unfinished ON messages (session_id) WHERE status IN ('queued', 'streaming');

-- As in V1: nobody but the owner. The table of the migrations themselves is one more to hide.
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE refinery_schema_history ENABLE ROW LEVEL SECURITY;
