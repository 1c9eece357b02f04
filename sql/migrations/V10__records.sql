-- What is written down about who did what, what was agreed to, and what was used up.

-- ── What happened ───────────────────────────────────────────────────────────────────────────────────

-- Rows are added and never changed. Nobody's words, names or addresses of e-mail stand here, only ids: of
-- an account that was deleted they say nothing any more. No foreign keys, so that a row outlives what it
-- speaks of.
CREATE TABLE public.audit (
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL,
    -- NULL: of nobody that is known.
    org_id       uuid,
    event        text NOT NULL,
    actor_id     uuid,
    subject_kind text,
    subject_id   uuid,
    -- Whose affair it is: the student of a session, the owner of an account.
    about_id     uuid,
    address      inet,
    request_id   text,
    detail       jsonb NOT NULL DEFAULT '{}',
    -- The end of an observation names its beginning, once.
    closes       uuid
);
CREATE INDEX audit_org ON public.audit (org_id, id DESC);
CREATE INDEX audit_about ON public.audit (about_id);
CREATE INDEX audit_actor ON public.audit (actor_id);
CREATE INDEX audit_opened ON public.audit (id) WHERE event = 'observation_opened';
CREATE UNIQUE INDEX audit_closes ON public.audit (closes) WHERE closes IS NOT NULL;

-- ── Consent ─────────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE public.organisations
    ADD COLUMN consent_required boolean NOT NULL DEFAULT false,
    ADD COLUMN consent_version  text NOT NULL DEFAULT '1',
    ADD COLUMN show_watchers    boolean NOT NULL DEFAULT true;

-- Rows are added and never changed: the newest counts.
CREATE TABLE public.consents (
    id          uuid PRIMARY KEY,
    user_id     uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    state       text NOT NULL CHECK (state IN ('given', 'withdrawn')),
    given_by    text NOT NULL CHECK (given_by IN ('school', 'guardian')),
    -- Who gave it: the person's name, as the school wrote it down.
    name        text NOT NULL,
    version     text NOT NULL,
    recorded_by uuid NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX consents_user ON public.consents (user_id, id DESC);

-- ── What was used up ────────────────────────────────────────────────────────────────────────────────

-- One row for a user or a class and a day or a month, both as UTC counts them. Written only while there
-- are quotas. `fillfactor`: every message updates the row.
CREATE TABLE public.quota_use (
    subject  uuid NOT NULL,
    span     text NOT NULL CHECK (span IN ('day', 'month')),
    starts   date NOT NULL,
    messages bigint NOT NULL DEFAULT 0,
    tokens   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, span, starts)
) WITH (fillfactor = 50);

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit', 'consents', 'quota_use'] LOOP
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

-- Whether there is one organisation: then its admin sees also what is nobody's.
GRANT CREATE ON SCHEMA fynq TO fynq_policy;
CREATE FUNCTION fynq.only_school() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) = 1 FROM public.organisations
$$;
REVOKE ALL ON FUNCTION fynq.only_school() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.only_school() TO fynq_admin;
ALTER FUNCTION fynq.only_school() OWNER TO fynq_policy;
REVOKE CREATE ON SCHEMA fynq FROM fynq_policy;
CREATE POLICY policies_ask ON public.organisations FOR SELECT TO fynq_policy USING (true);
GRANT SELECT ON public.organisations TO fynq_policy;

-- What policies ask is for nobody else. Only the functions' owner can say so: where whoever migrates is no
-- superuser, V6 could not.
SET LOCAL ROLE fynq_policy;
DO $$
DECLARE
    call regprocedure;
BEGIN
    FOR call IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'fynq'::regnamespace AND pg_get_userbyid(p.proowner) = 'fynq_policy'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', call);
    END LOOP;
    GRANT EXECUTE ON FUNCTION fynq.my_org(), fynq.org_i_run(), fynq.classes_i_teach(), fynq.my_classes(),
        fynq.students_i_teach() TO fynq_user, fynq_admin;
END
$$;
RESET ROLE;

-- The server states what happened; people state nothing here. Retention alone takes rows away.
CREATE POLICY stated ON public.audit FOR INSERT TO fynq_task WITH CHECK (true);
GRANT INSERT ON public.audit TO fynq_task;
CREATE POLICY administered ON public.audit FOR SELECT TO fynq_admin USING (
    org_id = (SELECT fynq.org_i_run())
    OR (org_id IS NULL AND (SELECT fynq.org_i_run()) IS NOT NULL AND (SELECT fynq.only_school()))
);
GRANT SELECT ON public.audit TO fynq_admin;
CREATE POLICY own ON public.audit FOR SELECT TO fynq_user
    USING (about_id = (SELECT auth.uid()) OR actor_id = (SELECT auth.uid()));
GRANT SELECT ON public.audit TO fynq_user;
CREATE POLICY kept ON public.audit FOR SELECT TO fynq_jobs USING (true);
CREATE POLICY interrupted ON public.audit FOR INSERT TO fynq_jobs WITH CHECK (event = 'observation_closed');
CREATE POLICY outdated ON public.audit FOR DELETE TO fynq_jobs USING (true);
GRANT SELECT, INSERT, DELETE ON public.audit TO fynq_jobs;

CREATE POLICY own ON public.consents FOR SELECT TO fynq_user USING (user_id = (SELECT auth.uid()));
GRANT SELECT ON public.consents TO fynq_user;
CREATE POLICY administered ON public.consents FOR SELECT TO fynq_admin
    USING (user_id IN (SELECT u.id FROM public.users u WHERE u.org_id = (SELECT fynq.org_i_run())));
CREATE POLICY recorded ON public.consents FOR INSERT TO fynq_admin WITH CHECK (
    recorded_by = (SELECT auth.uid())
    AND user_id IN (SELECT u.id FROM public.users u WHERE u.org_id = (SELECT fynq.org_i_run()))
);
GRANT SELECT, INSERT ON public.consents TO fynq_admin;
-- Whether a sign-in may speak is asked with everything else that a sign-in is worth.
CREATE POLICY at_the_door ON public.consents FOR SELECT TO fynq_door USING (true);
GRANT SELECT (id, user_id, state, version) ON public.consents TO fynq_door;
GRANT UPDATE (consent_required, consent_version, show_watchers) ON public.organisations TO fynq_admin;
CREATE POLICY asked ON public.organisations FOR SELECT TO fynq_task USING (true);
GRANT SELECT (id, show_watchers) ON public.organisations TO fynq_task;

CREATE POLICY counted ON public.quota_use TO fynq_task USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON public.quota_use TO fynq_task;
CREATE POLICY counted ON public.class_members FOR SELECT TO fynq_task USING (true);
GRANT SELECT (class_id, user_id, member_as) ON public.class_members TO fynq_task;
CREATE POLICY own ON public.quota_use FOR SELECT TO fynq_user
    USING (subject = (SELECT auth.uid()) OR subject IN (SELECT fynq.my_classes()));
GRANT SELECT ON public.quota_use TO fynq_user;
CREATE POLICY outdated ON public.quota_use TO fynq_jobs USING (true);
GRANT SELECT, DELETE ON public.quota_use TO fynq_jobs;

-- An account that is deleted, by its owner or by an admin (V6).
CREATE POLICY ended ON public.users FOR DELETE TO fynq_user USING (id = (SELECT auth.uid()));
GRANT DELETE ON public.users TO fynq_user;

-- Sessions that nobody touched for as long as the operator says.
CREATE POLICY outdated ON public.sessions TO fynq_jobs USING (true);
GRANT SELECT (id, updated_at), DELETE ON public.sessions TO fynq_jobs;

-- ── The writer's one call, with quotas ──────────────────────────────────────────────────────────────

-- As its owner: whoever migrates has no right of a role that it did not take.
SET LOCAL ROLE fynq_task;
DO $$
BEGIN
    EXECUTE format('DROP FUNCTION %s', (SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.proname = 'write_batch' AND p.pronamespace = 'public'::regnamespace));
END
$$;
RESET ROLE;

-- Those to whom a student's messages are charged: the student, and the classes that they are a student of.
GRANT CREATE ON SCHEMA fynq TO fynq_task;
GRANT USAGE ON SCHEMA fynq TO fynq_task;
CREATE FUNCTION fynq.charged(student uuid) RETURNS TABLE (subject uuid, is_class boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT student, false
    UNION ALL
    SELECT m.class_id, true FROM public.class_members m WHERE m.user_id = student AND m.member_as = 'student'
$$;
REVOKE ALL ON FUNCTION fynq.charged(uuid) FROM PUBLIC;
ALTER FUNCTION fynq.charged(uuid) OWNER TO fynq_task;
REVOKE CREATE ON SCHEMA fynq FROM fynq_task;

-- As in V3. Gives the requests that a quota refuses (numbered from 0) and when that quota starts anew;
-- nothing of theirs is written. `quotas` is NULL where there are none, and then nothing is asked or
-- counted; else it has, for students and then for classes: messages a day and a month, tokens a day and a
-- month, each NULL for no limit.
CREATE FUNCTION public.write_batch(
    again      boolean,
    quotas     bigint[],
    -- Messages that are charged: a question, or the answer to one that is asked again. By request.
    c_request  int[], c_session uuid[], c_id uuid[],
    -- The requests of the inserts and of the supersessions below; empty without quotas.
    i_request  int[], s_request int[],
    i_session  uuid[], i_id uuid[], i_ord bigint[], i_run uuid[], i_role text[], i_author uuid[],
    i_kind     text[], i_content text[], i_status text[], i_edits uuid[], i_created timestamptz[],
    u_session  uuid[], u_id uuid[], u_content text[], u_status text[], u_reason text[],
    u_error    text[], u_usage jsonb[], u_model text[],
    b_session  uuid[], b_id uuid[], b_ord bigint[],
    s_session  uuid[], s_first bigint[], s_before bigint[],
    t_session  uuid[], t_at timestamptz[], t_title text[],
    h_session  uuid[], h_raised boolean[]
) RETURNS TABLE (refused int, resets timestamptz)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    today  date;
    month  date;
    beyond int[] := '{}';
    untold uuid[] := '{}';
    charge record;
    month_is_over boolean;
BEGIN
    -- Whoever waits longer for a lock may as well wait for the next attempt.
    PERFORM set_config('lock_timeout', '6000', true);
    IF quotas IS NOT NULL AND (cardinality(c_id) > 0 OR cardinality(u_id) > 0) THEN
        today := (now() AT TIME ZONE 'UTC')::date;
        month := date_trunc('month', today)::date;
        -- Everybody's rows are there and locked in one order before any is looked at. What an answer used
        -- is counted where the answer ends, so the owners of ending answers are among them.
        INSERT INTO quota_use (subject, span, starts)
        SELECT DISTINCT whom.subject, spans.span, spans.starts
        FROM (
            SELECT c.session FROM unnest(c_session) AS c (session)
            UNION
            SELECT u.session FROM unnest(u_session, u_usage) AS u (session, used) WHERE u.used IS NOT NULL
        ) AS asked
        JOIN sessions s ON s.id = asked.session
        CROSS JOIN LATERAL fynq.charged(s.student_id) AS whom
        CROSS JOIN (VALUES ('day', today), ('month', month)) AS spans (span, starts)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
        PERFORM FROM quota_use q
        WHERE q.subject IN (
            SELECT whom.subject
            FROM (
                SELECT c.session FROM unnest(c_session) AS c (session)
                UNION
                SELECT u.session FROM unnest(u_session, u_usage) AS u (session, used) WHERE u.used IS NOT NULL
            ) AS asked
            JOIN sessions s ON s.id = asked.session
            CROSS JOIN LATERAL fynq.charged(s.student_id) AS whom
        ) AND q.starts IN (today, month)
        ORDER BY q.subject, q.span
        FOR UPDATE;
        FOR charge IN
            SELECT c.request, c.session, s.student_id
            FROM unnest(c_request, c_session, c_id) AS c (request, session, id)
            JOIN sessions s ON s.id = c.session
            -- What may have been committed already was charged with that commit.
            WHERE NOT (again AND EXISTS (SELECT FROM messages m WHERE m.session_id = c.session AND m.id = c.id))
            ORDER BY c.request
        LOOP
            SELECT bool_or(q.span = 'month') INTO month_is_over
            FROM fynq.charged(charge.student_id) AS whom
            JOIN quota_use q ON q.subject = whom.subject
                AND ((q.span = 'day' AND q.starts = today) OR (q.span = 'month' AND q.starts = month))
            WHERE q.messages >= quotas[CASE WHEN whom.is_class THEN 5 ELSE 1 END + (q.span = 'month')::int]
               OR q.tokens >= quotas[CASE WHEN whom.is_class THEN 7 ELSE 3 END + (q.span = 'month')::int];
            IF month_is_over IS NULL THEN
                UPDATE quota_use q SET messages = q.messages + 1
                FROM fynq.charged(charge.student_id) AS whom
                WHERE q.subject = whom.subject
                  AND ((q.span = 'day' AND q.starts = today) OR (q.span = 'month' AND q.starts = month));
            ELSE
                beyond := beyond || charge.request;
                untold := untold || charge.session;
                refused := charge.request;
                resets := (CASE WHEN month_is_over THEN month + interval '1 month'
                                ELSE today + interval '1 day' END) AT TIME ZONE 'UTC';
                RETURN NEXT;
            END IF;
        END LOOP;
        IF cardinality(beyond) > 0 THEN
            SELECT coalesce(array_agg(n.session), '{}'), coalesce(array_agg(n.id), '{}'),
                   coalesce(array_agg(n.ord), '{}'), coalesce(array_agg(n.run), '{}'),
                   coalesce(array_agg(n.role), '{}'), coalesce(array_agg(n.author), '{}'),
                   coalesce(array_agg(n.kind), '{}'), coalesce(array_agg(n.content), '{}'),
                   coalesce(array_agg(n.status), '{}'), coalesce(array_agg(n.edits), '{}'),
                   coalesce(array_agg(n.created), '{}')
            INTO i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits, i_created
            FROM unnest(
                i_request, i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits,
                i_created
            ) AS n (request, session, id, ord, run, role, author, kind, content, status, edits, created)
            WHERE n.request <> ALL (beyond);
            SELECT coalesce(array_agg(n.session), '{}'), coalesce(array_agg(n.first), '{}'),
                   coalesce(array_agg(n.before), '{}')
            INTO s_session, s_first, s_before
            FROM unnest(s_request, s_session, s_first, s_before) AS n (request, session, first, before)
            WHERE n.request <> ALL (beyond);
            -- No title is made of a question that was refused; one of a question that was taken stays.
            SELECT coalesce(array_agg(DISTINCT n.session), '{}') INTO untold
            FROM unnest(untold) AS n (session)
            WHERE n.session <> ALL (i_session);
            t_title := (
                SELECT array_agg(CASE WHEN n.session = ANY (untold) THEN NULL ELSE n.title END ORDER BY n.place)
                FROM unnest(t_session, t_title) WITH ORDINALITY AS n (session, title, place)
            );
        END IF;
    END IF;
    IF cardinality(i_id) > 0 AND again THEN
        INSERT INTO messages
            (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
        SELECT * FROM unnest(
            i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits, i_created
        )
        ON CONFLICT (session_id, id) DO NOTHING;
    ELSIF cardinality(i_id) > 0 THEN
        INSERT INTO messages
            (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
        SELECT * FROM unnest(
            i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits, i_created
        );
    END IF;
    IF cardinality(u_id) > 0 AND quotas IS NULL THEN
        UPDATE messages m
        SET content = n.content, status = n.status, finish_reason = n.finish_reason, error = n.error,
            usage = n.usage, model = n.model
        FROM unnest(u_session, u_id, u_content, u_status, u_reason, u_error, u_usage, u_model)
            AS n (session_id, id, content, status, finish_reason, error, usage, model)
        WHERE m.session_id = n.session_id AND m.id = n.id
          -- A starting fynq presumes open answers dead. One that lived on, in a process that was just
          -- being replaced, has an end of its own: that one counts.
          AND (
              m.status = 'streaming'
              OR (m.status = 'interrupted' AND n.status NOT IN ('streaming', 'interrupted'))
          );
    ELSIF cardinality(u_id) > 0 THEN
        -- The same, and what an ending answer used is counted.
        WITH ended AS (
            UPDATE messages m
            SET content = n.content, status = n.status, finish_reason = n.finish_reason, error = n.error,
                usage = n.usage, model = n.model
            FROM unnest(u_session, u_id, u_content, u_status, u_reason, u_error, u_usage, u_model)
                AS n (session_id, id, content, status, finish_reason, error, usage, model)
            WHERE m.session_id = n.session_id AND m.id = n.id
              AND (
                  m.status = 'streaming'
                  OR (m.status = 'interrupted' AND n.status NOT IN ('streaming', 'interrupted'))
              )
            RETURNING m.session_id, m.usage
        ), used AS (
            SELECT whom.subject,
                   sum(coalesce((ended.usage ->> 'input_tokens')::bigint, 0)
                       + coalesce((ended.usage ->> 'output_tokens')::bigint, 0)
                       + coalesce((ended.usage ->> 'reasoning_tokens')::bigint, 0)) AS tokens
            FROM ended
            JOIN sessions s ON s.id = ended.session_id
            CROSS JOIN LATERAL fynq.charged(s.student_id) AS whom
            WHERE ended.usage IS NOT NULL
            GROUP BY whom.subject
        )
        UPDATE quota_use q SET tokens = q.tokens + used.tokens
        FROM used
        WHERE q.subject = used.subject
          AND ((q.span = 'day' AND q.starts = today) OR (q.span = 'month' AND q.starts = month));
    END IF;
    IF cardinality(b_id) > 0 THEN
        UPDATE messages m SET status = 'complete', ord = n.ord
        FROM unnest(b_session, b_id, b_ord) AS n (session_id, id, ord)
        WHERE m.session_id = n.session_id AND m.id = n.id AND m.status = 'queued';
    END IF;
    IF cardinality(s_session) > 0 THEN
        -- What still waits for its run was said after all of it.
        UPDATE messages m SET superseded = true
        FROM unnest(s_session, s_first, s_before) AS n (session_id, first, before)
        WHERE m.session_id = n.session_id AND m.ord >= n.first AND m.ord < n.before
          AND m.status <> 'queued' AND NOT m.superseded;
    END IF;
    IF cardinality(t_session) > 0 THEN
        UPDATE sessions s
        SET updated_at = greatest(s.updated_at, n.at), title = coalesce(s.title, n.title)
        FROM unnest(t_session, t_at, t_title) AS n (id, at, title)
        WHERE s.id = n.id;
    END IF;
    IF cardinality(h_session) > 0 THEN
        UPDATE sessions s SET hand_raised = n.raised
        FROM unnest(h_session, h_raised) AS n (id, raised)
        WHERE s.id = n.id AND s.hand_raised <> n.raised;
    END IF;
END
$$;

-- As in V6: it runs as fynq_task whoever calls it.
DO $$
DECLARE
    call regprocedure := (SELECT p.oid FROM pg_proc p
                          WHERE p.proname = 'write_batch' AND p.pronamespace = 'public'::regnamespace);
    whoever name := current_user;
BEGIN
    EXECUTE format(
        'ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp '
        -- As in V3: the plans are made once, and find rows by their key.
        'SET plan_cache_mode = force_generic_plan SET enable_seqscan = off '
        'SET enable_hashjoin = off SET enable_mergejoin = off', call
    );
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', call);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO fynq_app', call);
    GRANT CREATE ON SCHEMA public TO fynq_task;
    EXECUTE format('ALTER FUNCTION %s OWNER TO fynq_task', call);
    REVOKE CREATE ON SCHEMA public FROM fynq_task;
    -- Whoever migrates may serve, too; only its owner may say so.
    SET LOCAL ROLE fynq_task;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', call, whoever);
    RESET ROLE;
END
$$;
