-- Files in messages: the writer's one call takes them with the message, in its transaction, and makes the uses
-- that show them to who may watch. And what the model's own endpoint was given of them.

-- A file that was too large to go along with the question lies at the model's endpoint for a while, under this
-- name. Where that is over, or the endpoint knows it no more, it is given anew.
CREATE TABLE public.model_files (
    file_id    uuid PRIMARY KEY REFERENCES public.files (id) ON DELETE CASCADE,
    name       text NOT NULL,
    uri        text NOT NULL,
    expires_at timestamptz NOT NULL
);
DO $$
DECLARE
    other text;
BEGIN
    ALTER TABLE public.model_files ENABLE ROW LEVEL SECURITY;
    ALTER TABLE public.model_files FORCE ROW LEVEL SECURITY;
    REVOKE ALL ON TABLE public.model_files FROM PUBLIC;
    FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
            EXECUTE format('REVOKE ALL ON TABLE public.model_files FROM %I', other);
        END IF;
    END LOOP;
END
$$;
-- The sessions' tasks alone: the address is for nobody to see.
CREATE POLICY kept ON public.model_files TO fynq_task USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.model_files TO fynq_task;

-- As its owner: whoever migrates has no right of a role that it did not take.
SET LOCAL ROLE fynq_task;
DO $$
BEGIN
    EXECUTE format('DROP FUNCTION %s', (SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.proname = 'write_batch' AND p.pronamespace = 'public'::regnamespace));
END
$$;
RESET ROLE;

-- As in V3, V10 and V15. Gives the requests that a quota refuses (numbered from 0) and when that quota starts anew;
-- nothing of theirs is written. `quotas` is NULL where there are none, and then nothing is asked or
-- counted; else it has, for students and then for classes: messages a day and a month, tokens a day and a
-- month, each NULL for no limit.
CREATE FUNCTION public.write_batch(
    again      boolean,
    quotas     bigint[],
    -- Messages that are charged: a question, or the answer to one that is asked again. By request.
    c_request  int[], c_session uuid[], c_id uuid[],
    -- The requests of the inserts, the beginnings and the supersessions below; empty without quotas.
    i_request  int[], b_request int[], s_request int[],
    i_session  uuid[], i_id uuid[], i_ord bigint[], i_run uuid[], i_role text[], i_author uuid[],
    i_kind     text[], i_content text[], i_status text[], i_edits uuid[], i_created timestamptz[],
    u_session  uuid[], u_id uuid[], u_content text[], u_status text[], u_reason text[],
    u_error    text[], u_usage jsonb[], u_model text[],
    b_session  uuid[], b_id uuid[], b_ord bigint[],
    s_session  uuid[], s_first bigint[], s_before bigint[],
    t_session  uuid[], t_at timestamptz[], t_title text[],
    h_session  uuid[], h_raised boolean[],
    -- What came with the inserted messages, in its order. Left out by a fynq that is older and still runs.
    a_session  uuid[] DEFAULT '{}', a_message uuid[] DEFAULT '{}', a_file uuid[] DEFAULT '{}'
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
            SELECT coalesce(array_agg(n.session), '{}'), coalesce(array_agg(n.id), '{}'),
                   coalesce(array_agg(n.ord), '{}')
            INTO b_session, b_id, b_ord
            FROM unnest(b_request, b_session, b_id, b_ord) AS n (request, session, id, ord)
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
    IF cardinality(a_file) > 0 THEN
        -- What a quota refused is not there.
        UPDATE messages m SET files = n.files
        FROM (
            SELECT a.session, a.message, array_agg(a.file ORDER BY a.place) AS files
            FROM unnest(a_session, a_message, a_file) WITH ORDINALITY AS a (session, message, file, place)
            GROUP BY a.session, a.message
        ) AS n
        WHERE m.session_id = n.session AND m.id = n.message;
        -- One that was deleted a moment ago is used nowhere; somebody else's opens to nobody by being named.
        INSERT INTO file_uses (file_id, session_id)
        SELECT DISTINCT f.id, s.id
        FROM unnest(a_session, a_message, a_file) AS a (session, message, file)
        JOIN messages m ON m.session_id = a.session AND m.id = a.message
        JOIN sessions s ON s.id = a.session
        JOIN files f ON f.id = a.file AND f.owner_id = s.student_id AND f.org_id = s.org_id
        WHERE f.state = 'ready'
        ON CONFLICT DO NOTHING;
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
