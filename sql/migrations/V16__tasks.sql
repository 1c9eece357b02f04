-- Work that nobody waits for at a socket: rows that workers take, one holder at a time.

-- ── The queue ───────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE public.tasks (
    id           uuid PRIMARY KEY,
    -- NULL: the installation's own (a schedule's).
    org_id       uuid REFERENCES public.organisations (id) ON DELETE CASCADE,
    owner_id     uuid REFERENCES public.users (id) ON DELETE CASCADE,
    kind         text NOT NULL,
    -- Ids and numbers of ours, never anybody's words.
    payload      jsonb NOT NULL DEFAULT '{}',
    status       text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- The higher ones first.
    priority     smallint NOT NULL DEFAULT 0,
    -- Not before.
    run_at       timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 5 CHECK (max_attempts > 0),
    -- Rises whenever the row gets or loses a holder: a write that carries an older number changes nothing.
    lease        bigint NOT NULL DEFAULT 0,
    lease_until  timestamptz,
    worker       text,
    -- Of a running one: its holder is to let it go.
    cancel_asked boolean NOT NULL DEFAULT false,
    progress     real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    -- A code of ours.
    error        text,
    result       jsonb,
    -- There is one task of a key, ended or not, for as long as its row is kept.
    unique_key   text UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz,
    CHECK ((status = 'running') = (lease_until IS NOT NULL)),
    CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX tasks_queued ON public.tasks (kind, priority DESC, run_at, id) WHERE status = 'queued';
CREATE INDEX tasks_running ON public.tasks (lease_until) WHERE status = 'running';
CREATE INDEX tasks_failed ON public.tasks (kind) WHERE status = 'failed';
CREATE INDEX tasks_ended ON public.tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX tasks_owner ON public.tasks (owner_id, id);
CREATE INDEX tasks_org ON public.tasks (org_id, id);

-- Puts a task there, in whoever's transaction it is called: what the caller may, row level security says.
-- Gives the id of the task with that key, the new one's or the one's that is there already.
CREATE FUNCTION fynq.enqueue_task(
    id uuid, kind text, org uuid, owner uuid, payload jsonb, unique_key text,
    run_at timestamptz DEFAULT now(), priority smallint DEFAULT 0::smallint, max_attempts integer DEFAULT 5
) RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made uuid;
BEGIN
    INSERT INTO public.tasks AS t
        (id, kind, org_id, owner_id, payload, unique_key, run_at, priority, max_attempts)
    VALUES (
        enqueue_task.id, enqueue_task.kind, enqueue_task.org, enqueue_task.owner, enqueue_task.payload,
        enqueue_task.unique_key, enqueue_task.run_at, enqueue_task.priority, enqueue_task.max_attempts
    )
    ON CONFLICT DO NOTHING
    RETURNING t.id INTO made;
    IF made IS NULL THEN
        SELECT t.id INTO made FROM public.tasks t WHERE t.unique_key = enqueue_task.unique_key;
        RETURN coalesce(made, enqueue_task.id);
    END IF;
    -- One name for all kinds: notifications that say the same are told once a transaction.
    PERFORM pg_notify('fynq_tasks', '');
    RETURN made;
END
$$;

-- Ends a task well, by its holder: `done` has its id, the number of the lease, and its result. It is the first
-- statement of the transaction that does what the task is for; who holds it no more does nothing of it.
CREATE FUNCTION fynq.finish_task(done jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tasks t
    SET status = 'succeeded', progress = 1, result = nullif(done -> 'result', 'null'), error = NULL,
        lease = t.lease + 1, lease_until = NULL, ended_at = now(), cancel_asked = false
    WHERE t.id = (done ->> 'id')::uuid AND t.lease = (done ->> 'lease')::bigint AND t.status = 'running';
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'the task has another holder';
    END IF;
END
$$;

-- ── What they make ──────────────────────────────────────────────────────────────────────────────────

-- What a session was about, in the model's words, up to a place in it. The student may read it as well.
CREATE TABLE public.session_summaries (
    session_id uuid PRIMARY KEY REFERENCES public.sessions (id) ON DELETE CASCADE,
    text       text NOT NULL,
    -- The `ord` of the last message that it knows.
    upto       bigint NOT NULL,
    model      text,
    created_at timestamptz NOT NULL
);

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

REVOKE ALL ON FUNCTION
    fynq.enqueue_task(uuid, text, uuid, uuid, jsonb, text, timestamptz, smallint, integer),
    fynq.finish_task(jsonb) FROM PUBLIC;
GRANT USAGE ON SCHEMA fynq TO fynq_jobs;
GRANT EXECUTE ON FUNCTION
    fynq.enqueue_task(uuid, text, uuid, uuid, jsonb, text, timestamptz, smallint, integer)
    TO fynq_user, fynq_task, fynq_jobs;
GRANT EXECUTE ON FUNCTION fynq.finish_task(jsonb) TO fynq_jobs;

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tasks', 'session_summaries'] LOOP
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

-- Whoever it is for sees it, may ask for one, and may call it off.
CREATE POLICY own ON public.tasks FOR SELECT TO fynq_user USING (owner_id = (SELECT auth.uid()));
CREATE POLICY asked ON public.tasks FOR INSERT TO fynq_user WITH CHECK (
    owner_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.my_org()) AND status = 'queued'
);
CREATE POLICY called_off ON public.tasks FOR UPDATE TO fynq_user
    USING (owner_id = (SELECT auth.uid()) AND status IN ('queued', 'running'))
    WITH CHECK (owner_id = (SELECT auth.uid()) AND (status = 'cancelled' OR cancel_asked));
GRANT SELECT, INSERT (id, kind, org_id, owner_id, payload, unique_key, run_at, priority, max_attempts),
    UPDATE (status, lease, cancel_asked, error, ended_at) ON public.tasks TO fynq_user;

-- The admin of a school sees the school's, and the installation's where it is the only one (as in the audit).
CREATE POLICY administered ON public.tasks FOR SELECT TO fynq_admin USING (
    org_id = (SELECT fynq.org_i_run())
    OR (org_id IS NULL AND (SELECT fynq.org_i_run()) IS NOT NULL AND (SELECT fynq.only_school()))
);
CREATE POLICY directed ON public.tasks FOR UPDATE TO fynq_admin
    USING (
        org_id = (SELECT fynq.org_i_run())
        OR (org_id IS NULL AND (SELECT fynq.org_i_run()) IS NOT NULL AND (SELECT fynq.only_school()))
    )
    WITH CHECK (status IN ('queued', 'cancelled') OR cancel_asked);
GRANT SELECT, UPDATE (
    status, lease, cancel_asked, error, result, ended_at, started_at, run_at, attempts, progress
) ON public.tasks TO fynq_admin;

-- Sessions and the writer put tasks there; workers do everything with them.
CREATE POLICY put ON public.tasks TO fynq_task USING (true) WITH CHECK (status = 'queued');
GRANT SELECT, INSERT ON public.tasks TO fynq_task;
CREATE POLICY worked ON public.tasks TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.tasks TO fynq_jobs;

-- Summaries: of the sessions that one sees.
CREATE POLICY seen ON public.session_summaries FOR SELECT TO fynq_user
    USING (EXISTS (SELECT FROM public.sessions s WHERE s.id = session_summaries.session_id));
GRANT SELECT ON public.session_summaries TO fynq_user;
CREATE POLICY made ON public.session_summaries TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON public.session_summaries TO fynq_jobs;
-- Which sessions went quiet, and how far they had come; no word of them.
GRANT SELECT (org_id, student_id, title), UPDATE (title) ON public.sessions TO fynq_jobs;
CREATE POLICY measured ON public.messages FOR SELECT TO fynq_jobs USING (true);
GRANT SELECT (session_id, ord, status, role, author_kind, superseded) ON public.messages TO fynq_jobs;
