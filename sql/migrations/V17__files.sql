-- Files that people uploaded: what is known of each here, the bytes in the storage under random keys. And
-- the sessions in which each was sent.

-- A row comes before its blobs ('arriving', with their keys and as much room as the upload may need) and
-- becomes 'ready' after them. One that was sent and then deleted stays as 'deleted', with nothing in it but
-- that it was there, for the message that names it.
CREATE TABLE public.files (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES public.organisations (id) ON DELETE CASCADE,
    owner_id    uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    name        text NOT NULL CHECK (length(name) <= 120),
    -- What its bytes say that it is.
    media_type  text NOT NULL,
    -- While it arrives, what is kept free for it.
    size        bigint NOT NULL CHECK (size >= 0),
    state       text NOT NULL CHECK (state IN ('arriving', 'ready', 'deleted')),
    key         text,
    preview_key text,
    -- The words of a document, once they have been read.
    text_key    text,
    width       integer,
    height      integer,
    pages       integer,
    sha256      bytea,
    created_at  timestamptz NOT NULL,
    CHECK ((key IS NULL) = (state = 'deleted'))
);
-- What is used up is added up from these alone.
CREATE INDEX files_owner ON public.files (owner_id, id) INCLUDE (size);
CREATE INDEX files_org ON public.files (org_id) INCLUDE (size);
CREATE INDEX files_unready ON public.files (created_at) WHERE state <> 'ready';
-- Which row a blob belongs to, and that no two rows share one.
CREATE UNIQUE INDEX files_key ON public.files (key);
CREATE UNIQUE INDEX files_text_key ON public.files (text_key) WHERE text_key IS NOT NULL;

CREATE TABLE public.file_uses (
    file_id    uuid NOT NULL REFERENCES public.files (id) ON DELETE CASCADE,
    session_id uuid NOT NULL REFERENCES public.sessions (id) ON DELETE CASCADE,
    PRIMARY KEY (file_id, session_id)
);
CREATE INDEX file_uses_session ON public.file_uses (session_id);

-- Blobs that no row names any more: the sweep takes them out of the storage, then from here.
CREATE TABLE public.gone_blobs (
    key     text PRIMARY KEY,
    gone_at timestamptz NOT NULL
);

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['files', 'file_uses', 'gone_blobs'] LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('REVOKE ALL ON TABLE public.%I FROM PUBLIC', name);
        FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
                EXECUTE format('REVOKE ALL ON TABLE public.%I FROM %I', name, other);
            END IF;
        END LOOP;
    END LOOP;
END
$$;

-- One's own, those that were sent in a session that one sees, and to an admin the organisation's. Nobody
-- inserts: `begin_file` does.
CREATE POLICY own ON public.files FOR SELECT TO fynq_user
    USING (owner_id = (SELECT auth.uid()) OR org_id = (SELECT fynq.org_i_run()));
CREATE POLICY sent ON public.files FOR SELECT TO fynq_user USING (
    state <> 'arriving' AND EXISTS (SELECT FROM public.file_uses u WHERE u.file_id = files.id)
);
CREATE POLICY changed ON public.files FOR UPDATE TO fynq_user
    USING (owner_id = (SELECT auth.uid())) WITH CHECK (owner_id = (SELECT auth.uid()));
CREATE POLICY ended ON public.files FOR DELETE TO fynq_user USING (owner_id = (SELECT auth.uid()));
GRANT SELECT, DELETE,
    UPDATE (name, media_type, size, state, key, preview_key, text_key, width, height, pages, sha256)
    ON public.files TO fynq_user;
-- The sessions' tasks and the work in the background read all, and write what was found in a document.
CREATE POLICY kept ON public.files TO fynq_task USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE (text_key, pages) ON public.files TO fynq_task;
CREATE POLICY swept ON public.files TO fynq_jobs USING (true);
GRANT SELECT, DELETE ON public.files TO fynq_jobs;

CREATE POLICY seen ON public.file_uses FOR SELECT TO fynq_user
    USING (EXISTS (SELECT FROM public.sessions s WHERE s.id = file_uses.session_id));
GRANT SELECT ON public.file_uses TO fynq_user;
-- Nothing is sent but what belongs to the student of the session: else a use would open somebody's file.
CREATE POLICY kept ON public.file_uses FOR SELECT TO fynq_task USING (true);
CREATE POLICY begun ON public.file_uses FOR INSERT TO fynq_task WITH CHECK (EXISTS (
    SELECT FROM public.files f
    JOIN public.sessions s ON s.student_id = f.owner_id AND s.org_id = f.org_id
    WHERE f.id = file_uses.file_id AND s.id = file_uses.session_id
));
GRANT SELECT, INSERT ON public.file_uses TO fynq_task;
CREATE POLICY swept ON public.file_uses FOR SELECT TO fynq_jobs USING (true);
GRANT SELECT ON public.file_uses TO fynq_jobs;

CREATE POLICY swept ON public.gone_blobs TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON public.gone_blobs TO fynq_jobs;
-- Whose files never sent the retention may take.
CREATE POLICY swept ON public.users FOR SELECT TO fynq_jobs USING (true);
GRANT SELECT (id, role) ON public.users TO fynq_jobs;

-- ── What goes with what ─────────────────────────────────────────────────────────────────────────────

-- By triggers, so that no way of deleting can forget a blob: not an account's end, not a session's.
CREATE FUNCTION fynq.blobs_go() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- What a file that has just arrived turns out not to have was never there.
    IF TG_OP = 'UPDATE' AND OLD.state = 'arriving' THEN
        RETURN NULL;
    END IF;
    INSERT INTO public.gone_blobs (key, gone_at)
    SELECT was.key, now()
    FROM unnest(ARRAY[OLD.key, OLD.preview_key, OLD.text_key]) AS was (key)
    WHERE was.key IS NOT NULL AND (TG_OP = 'DELETE'
        OR was.key <> ALL (array_remove(ARRAY[NEW.key, NEW.preview_key, NEW.text_key], NULL)))
    ON CONFLICT (key) DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER blobs_go AFTER DELETE OR UPDATE OF key, preview_key, text_key ON public.files
    FOR EACH ROW EXECUTE FUNCTION fynq.blobs_go();

-- A file goes with the last session in which it was sent.
CREATE FUNCTION fynq.use_ends() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM public.files f
    WHERE f.id = OLD.file_id AND NOT EXISTS (SELECT FROM public.file_uses u WHERE u.file_id = f.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER use_ends AFTER DELETE ON public.file_uses
    FOR EACH ROW EXECUTE FUNCTION fynq.use_ends();

-- ── The only way in ─────────────────────────────────────────────────────────────────────────────────

-- Keeps `room` bytes for a file of whoever asks, unless that is more than a person (`of_user`) or their
-- organisation (`of_org`, NULL for no limit) may have: then it says whose quota it is. One at a time in an
-- organisation, so that many at once cannot pass together.
CREATE FUNCTION fynq.begin_file(
    file_id uuid, file_name text, file_key text, room bigint, of_user bigint, of_org bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me  uuid := auth.uid();
    org uuid := (SELECT u.org_id FROM public.users u WHERE u.id = auth.uid());
BEGIN
    PERFORM set_config('lock_timeout', '6000', true);
    PERFORM pg_advisory_xact_lock(hashtextextended('fynq.files ' || org::text, 0));
    IF room + (SELECT coalesce(sum(f.size), 0) FROM public.files f WHERE f.owner_id = me) > of_user THEN
        RETURN 'user';
    END IF;
    IF of_org IS NOT NULL
        AND room + (SELECT coalesce(sum(f.size), 0) FROM public.files f WHERE f.org_id = org) > of_org
    THEN
        RETURN 'organisation';
    END IF;
    INSERT INTO public.files (id, org_id, owner_id, name, media_type, size, state, key, preview_key, created_at)
    VALUES (
        file_id, org, me, file_name, 'application/octet-stream', room, 'arriving', file_key,
        file_key || '.preview', now()
    );
    RETURN 'begun';
END
$$;

REVOKE ALL ON FUNCTION fynq.blobs_go(), fynq.use_ends(),
    fynq.begin_file(uuid, text, text, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.begin_file(uuid, text, text, bigint, bigint, bigint) TO fynq_user;
GRANT USAGE ON SCHEMA auth TO fynq_task;
GRANT EXECUTE ON FUNCTION auth.uid() TO fynq_task;
GRANT CREATE ON SCHEMA fynq TO fynq_task, fynq_jobs;
ALTER FUNCTION fynq.begin_file(uuid, text, text, bigint, bigint, bigint) OWNER TO fynq_task;
ALTER FUNCTION fynq.blobs_go() OWNER TO fynq_jobs;
ALTER FUNCTION fynq.use_ends() OWNER TO fynq_jobs;
REVOKE CREATE ON SCHEMA fynq FROM fynq_task, fynq_jobs;
