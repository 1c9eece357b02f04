-- Schools that share one installation and never see each other, and the classes in them.

CREATE TABLE organisations (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    created_at timestamptz NOT NULL
);
-- The one that everybody belongs to until an operator makes others.
INSERT INTO organisations (id, name, created_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'School', now());

ALTER TABLE users ADD COLUMN org_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000001'
    REFERENCES organisations (id);
CREATE INDEX users_org ON users (org_id);

-- A session stays with the organisation that its student belonged to when it began.
ALTER TABLE sessions ADD COLUMN org_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000001'
    REFERENCES organisations (id);
CREATE INDEX sessions_org ON sessions (org_id);

CREATE TABLE classes (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organisations (id) ON DELETE CASCADE,
    name       text NOT NULL,
    -- Whoever knows it may join as a student; never guessable, replaced at will.
    join_code  text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX classes_join_code ON classes (join_code);
CREATE INDEX classes_org ON classes (org_id);

CREATE TABLE class_members (
    class_id   uuid NOT NULL REFERENCES classes (id) ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    member_as  text NOT NULL CHECK (member_as IN ('student', 'tutor')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (class_id, user_id)
);
CREATE INDEX class_members_user ON class_members (user_id);
