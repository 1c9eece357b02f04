-- What the model makes of people's material in the background: the problems on a photographed worksheet, and flash
-- cards and practice questions of the library's content.

-- One row for a picture or a PDF whose problems were listed.
CREATE TABLE public.worksheets (
    file_id    uuid PRIMARY KEY REFERENCES public.files (id) ON DELETE CASCADE,
    -- [{label, text}]
    problems   jsonb NOT NULL CHECK (jsonb_typeof(problems) = 'array'),
    model      text,
    created_at timestamptz NOT NULL
);

-- To practise with: made as a draft, published by whoever may write the content.
CREATE TABLE public.study_sets (
    -- Another one whenever they are made anew.
    id         uuid PRIMARY KEY,
    content_id uuid NOT NULL REFERENCES public.content (id) ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('flash_cards', 'practice_questions')),
    state      text NOT NULL CHECK (state IN ('draft', 'published')),
    -- Of the content when they were made.
    of_version integer NOT NULL,
    -- [{front, back}] or [{question, choices?, answer, explanation?}]
    items      jsonb NOT NULL CHECK (jsonb_typeof(items) = 'array'),
    model      text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (content_id, kind)
);

-- ── Functions ───────────────────────────────────────────────────────────────────────────────────────

-- What was read off a file that was sent goes with it, although its row stays.
CREATE FUNCTION fynq.worksheet_goes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM public.worksheets w WHERE w.file_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER worksheet_goes AFTER UPDATE OF state ON public.files
    FOR EACH ROW WHEN (NEW.state = 'deleted' AND OLD.state <> 'deleted')
    EXECUTE FUNCTION fynq.worksheet_goes();

-- Whether whoever asks may write this content.
CREATE FUNCTION fynq.i_may_write(content_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM public.content c
        WHERE c.id = content_id AND c.org_id = fynq.org_i_write_for()
          AND (c.author_id = auth.uid() OR c.org_id = fynq.org_i_run())
    )
$$;

-- A task for whoever asks, of a key of which there is one at a time: what waits or runs is given as it is, what
-- has ended lets go of the key.
CREATE FUNCTION fynq.ask_for(id uuid, kind text, payload jsonb, key text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me uuid := auth.uid();
BEGIN
    UPDATE public.tasks t SET unique_key = NULL
    WHERE t.unique_key = ask_for.key AND t.owner_id = me AND t.status IN ('succeeded', 'failed', 'cancelled');
    RETURN fynq.enqueue_task(
        ask_for.id, ask_for.kind, (SELECT u.org_id FROM public.users u WHERE u.id = me), me, ask_for.payload,
        ask_for.key, now(), 5::smallint, 3
    );
END
$$;

-- The same for cards or questions of content that whoever asks may write. NULL: it is none.
CREATE FUNCTION fynq.ask_for_study(task_id uuid, kind text, content uuid, count integer) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF ask_for_study.kind NOT IN ('flash_cards', 'practice_questions')
        OR NOT fynq.i_may_write(ask_for_study.content)
    THEN
        RETURN NULL;
    END IF;
    RETURN fynq.ask_for(
        task_id, ask_for_study.kind,
        jsonb_build_object('content', ask_for_study.content, 'count', ask_for_study.count),
        ask_for_study.kind || ':' || ask_for_study.content || ':' || auth.uid()
    );
END
$$;

-- The same for the problems on a file of whoever asks, charged to them as a question is: `resets` is when a quota
-- that is used up starts anew, and then there is no task. `quotas` are as in `write_batch`. No row: it is not theirs.
CREATE FUNCTION fynq.ask_for_worksheet(task_id uuid, file uuid, quotas bigint[])
RETURNS TABLE (task uuid, resets timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me      uuid := auth.uid();
    my_key  text := 'worksheet:' || ask_for_worksheet.file;
    today   date := (now() AT TIME ZONE 'UTC')::date;
    month   date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    month_is_over boolean;
BEGIN
    PERFORM set_config('lock_timeout', '6000', true);
    -- One at a time of a file, so that of two at once one is charged.
    PERFORM FROM public.files f
    WHERE f.id = ask_for_worksheet.file AND f.owner_id = me AND f.state = 'ready'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT t.id INTO task FROM public.tasks t
    WHERE t.unique_key = my_key AND t.owner_id = me AND t.status IN ('queued', 'running');
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF quotas IS NOT NULL THEN
        -- In the order of write_batch.
        INSERT INTO public.quota_use (subject, span, starts)
        SELECT whom.subject, spans.span, spans.starts
        FROM fynq.charged(me) AS whom CROSS JOIN (VALUES ('day', today), ('month', month)) AS spans (span, starts)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
        PERFORM FROM public.quota_use q
        WHERE q.subject IN (SELECT whom.subject FROM fynq.charged(me) AS whom) AND q.starts IN (today, month)
        ORDER BY q.subject, q.span
        FOR UPDATE;
        SELECT bool_or(q.span = 'month') INTO month_is_over
        FROM fynq.charged(me) AS whom
        JOIN public.quota_use q ON q.subject = whom.subject
            AND ((q.span = 'day' AND q.starts = today) OR (q.span = 'month' AND q.starts = month))
        WHERE q.messages >= quotas[CASE WHEN whom.is_class THEN 5 ELSE 1 END + (q.span = 'month')::int]
           OR q.tokens >= quotas[CASE WHEN whom.is_class THEN 7 ELSE 3 END + (q.span = 'month')::int];
        IF month_is_over IS NOT NULL THEN
            resets := (CASE WHEN month_is_over THEN month + interval '1 month' ELSE today + interval '1 day' END)
                AT TIME ZONE 'UTC';
            RETURN NEXT;
            RETURN;
        END IF;
        UPDATE public.quota_use q SET messages = q.messages + 1
        FROM fynq.charged(me) AS whom
        WHERE q.subject = whom.subject
          AND ((q.span = 'day' AND q.starts = today) OR (q.span = 'month' AND q.starts = month));
    END IF;
    task := fynq.ask_for(
        task_id, 'worksheet', jsonb_build_object('file', ask_for_worksheet.file), my_key
    );
    RETURN NEXT;
END
$$;

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['worksheets', 'study_sets'] LOOP
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

REVOKE ALL ON FUNCTION
    fynq.worksheet_goes(), fynq.i_may_write(uuid), fynq.ask_for(uuid, text, jsonb, text),
    fynq.ask_for_study(uuid, text, uuid, integer), fynq.ask_for_worksheet(uuid, uuid, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    fynq.ask_for_study(uuid, text, uuid, integer), fynq.ask_for_worksheet(uuid, uuid, bigint[]) TO fynq_user;
GRANT EXECUTE ON FUNCTION fynq.i_may_write(uuid) TO fynq_user, fynq_task;
-- Of an ended task the key alone: what V16 let sessions do with tasks was to put them there and to see them.
DROP POLICY put ON public.tasks;
CREATE POLICY put ON public.tasks FOR INSERT TO fynq_task WITH CHECK (status = 'queued');
CREATE POLICY shown ON public.tasks FOR SELECT TO fynq_task USING (true);
CREATE POLICY let_go ON public.tasks FOR UPDATE TO fynq_task
    USING (status IN ('succeeded', 'failed', 'cancelled')) WITH CHECK (unique_key IS NULL);
GRANT UPDATE (unique_key) ON public.tasks TO fynq_task;

-- Whoever sees the file sees its problems; nobody writes them but who read them off.
CREATE POLICY seen ON public.worksheets FOR SELECT TO fynq_user USING (
    EXISTS (SELECT FROM public.files f WHERE f.id = worksheets.file_id AND f.state = 'ready')
);
GRANT SELECT ON public.worksheets TO fynq_user;
CREATE POLICY made ON public.worksheets TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.worksheets TO fynq_jobs;

-- Published ones: to whoever sees the content, published as well. All: to those who may write the content.
CREATE POLICY seen ON public.study_sets FOR SELECT TO fynq_user USING (
    state = 'published'
    AND EXISTS (SELECT FROM public.content c WHERE c.id = study_sets.content_id AND c.state = 'published')
);
CREATE POLICY edited ON public.study_sets FOR SELECT TO fynq_user USING (fynq.i_may_write(content_id));
CREATE POLICY changed ON public.study_sets FOR UPDATE TO fynq_user USING (fynq.i_may_write(content_id));
CREATE POLICY ended ON public.study_sets FOR DELETE TO fynq_user USING (fynq.i_may_write(content_id));
GRANT SELECT, UPDATE (state, items, updated_at), DELETE ON public.study_sets TO fynq_user;
CREATE POLICY made ON public.study_sets TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON public.study_sets TO fynq_jobs;

GRANT CREATE ON SCHEMA fynq TO fynq_task, fynq_jobs, fynq_policy;
ALTER FUNCTION fynq.i_may_write(uuid) OWNER TO fynq_policy;
ALTER FUNCTION fynq.ask_for(uuid, text, jsonb, text) OWNER TO fynq_task;
ALTER FUNCTION fynq.ask_for_study(uuid, text, uuid, integer) OWNER TO fynq_task;
ALTER FUNCTION fynq.ask_for_worksheet(uuid, uuid, bigint[]) OWNER TO fynq_task;
ALTER FUNCTION fynq.worksheet_goes() OWNER TO fynq_jobs;
REVOKE CREATE ON SCHEMA fynq FROM fynq_task, fynq_jobs, fynq_policy;
