-- What tutors do to a session beside talking in it: control, whispers, acts, signals, notes. None of it is a
-- message, and none of it is the student's to read: the policies say so, whatever our code asks.

-- ── Control and the raised hand ─────────────────────────────────────────────────────────────────────

-- `control_epoch` rises with every change of control, so that one which comes late changes nothing.
ALTER TABLE public.sessions
    ADD COLUMN control_by      uuid,
    ADD COLUMN control_epoch   bigint NOT NULL DEFAULT 0,
    ADD COLUMN hand_raised_at  timestamptz,
    ADD COLUMN hand_claimed_by uuid,
    ADD COLUMN hand_claimed_at timestamptz;
GRANT UPDATE (control, control_by, control_epoch, hand_raised_at, hand_claimed_by, hand_claimed_at)
    ON public.sessions TO fynq_task;
-- No column that a message changes is in either, so what V2 says of `updated_at` still holds.
CREATE INDEX sessions_held ON public.sessions (id) WHERE control = 'tutor';
CREATE INDEX sessions_hands ON public.sessions (org_id) WHERE hand_raised;

-- Since when a hand is up, and that nobody has come to it yet. Only the writer's statement for hands names
-- the column, so no message pays for it. It needs no right of its own: it changes the row on its way.
CREATE FUNCTION fynq.hand_time() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.hand_raised IS DISTINCT FROM OLD.hand_raised THEN
        NEW.hand_raised_at := CASE WHEN NEW.hand_raised THEN now() END;
        NEW.hand_claimed_by := NULL;
        NEW.hand_claimed_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION fynq.hand_time() FROM PUBLIC;
CREATE TRIGGER hand_time BEFORE UPDATE OF hand_raised ON public.sessions
    FOR EACH ROW EXECUTE FUNCTION fynq.hand_time();

-- A tutor's message with `edits` corrects that answer of the assistant's; both stay. (Of a student's
-- message `edits` is what V2 says.)
CREATE INDEX messages_corrections ON public.messages (session_id, edits)
    WHERE author_kind = 'tutor' AND edits IS NOT NULL;

-- ── What is kept ────────────────────────────────────────────────────────────────────────────────────

-- People are named without a foreign key, as in V2's messages: what somebody did outlives their account.
CREATE TABLE public.whispers (
    id         uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES public.sessions (id) ON DELETE CASCADE,
    tutor_id   uuid NOT NULL,
    text       text NOT NULL,
    until      text NOT NULL CHECK (until IN ('next', 'withdrawn')),
    kind       text NOT NULL CHECK (kind IN ('whisper', 'summary')),
    state      text NOT NULL CHECK (state IN ('waiting', 'used', 'withdrawn')),
    -- In which it was used.
    run_id     uuid,
    created_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX whispers_waiting ON public.whispers (session_id) WHERE state = 'waiting';
CREATE INDEX whispers_session ON public.whispers (session_id, id);

CREATE TABLE public.tutor_acts (
    id         uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES public.sessions (id) ON DELETE CASCADE,
    actor_id   uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN (
        'whispered', 'withdrew', 'said', 'took_over', 'handed_back', 'lapsed', 'released', 'claimed',
        'lowered_hand', 'stopped', 'corrected', 'joined', 'left'
    )),
    message_id uuid,
    whisper_id uuid,
    at         timestamptz NOT NULL
);
CREATE INDEX tutor_acts_session ON public.tutor_acts (session_id, id);

-- `why` holds words of ours, never the student's.
CREATE TABLE public.signal_events (
    id         uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES public.sessions (id) ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('hand', 'safety', 'struggling', 'error', 'off_task', 'idle')),
    level      smallint NOT NULL,
    score      smallint NOT NULL,
    why        text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX signal_events_session ON public.signal_events (session_id, id);
-- A signal that a session remembers when it wakes is the one that was there before.
CREATE UNIQUE INDEX signal_events_once ON public.signal_events (session_id, kind, started_at);

-- What each tutor thinks of a kind of signal on a session.
CREATE TABLE public.signal_marks (
    session_id  uuid NOT NULL REFERENCES public.sessions (id) ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('hand', 'safety', 'struggling', 'error', 'off_task', 'idle')),
    user_id     uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    useful      boolean,
    muted_until timestamptz,
    at          timestamptz NOT NULL,
    PRIMARY KEY (session_id, kind, user_id)
);
CREATE INDEX signal_marks_user ON public.signal_marks (user_id);

CREATE TABLE public.tutor_notes (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES public.organisations (id) ON DELETE CASCADE,
    student_id uuid NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    author_id  uuid REFERENCES public.users (id) ON DELETE SET NULL,
    text       text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX tutor_notes_student ON public.tutor_notes (student_id, id);
CREATE INDEX tutor_notes_author ON public.tutor_notes (author_id);
CREATE INDEX tutor_notes_org ON public.tutor_notes (org_id);

-- How an answer streamed: milliseconds since its run began and bytes, in turn.
CREATE TABLE public.message_paces (
    session_id uuid NOT NULL,
    message_id uuid NOT NULL,
    steps      int4[] NOT NULL,
    PRIMARY KEY (session_id, message_id),
    FOREIGN KEY (session_id, message_id) REFERENCES public.messages (session_id, id) ON DELETE CASCADE
);

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'whispers', 'tutor_acts', 'signal_events', 'signal_marks', 'tutor_notes', 'message_paces'
    ]
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('REVOKE ALL ON TABLE public.%I FROM PUBLIC', name);
        FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
                EXECUTE format('REVOKE ALL ON TABLE public.%I FROM %I', name, other);
            END IF;
        END LOOP;
    END LOOP;
    -- Of sessions that one sees and that are not one's own: those who watch, never the student. And the
    -- sessions' tasks, which write all of it.
    FOREACH name IN ARRAY ARRAY['whispers', 'tutor_acts', 'signal_events', 'message_paces'] LOOP
        EXECUTE format(
            'CREATE POLICY watched ON public.%1$I FOR SELECT TO fynq_user USING (EXISTS ('
            'SELECT FROM public.sessions s '
            'WHERE s.id = %1$I.session_id AND s.student_id <> (SELECT auth.uid())))', name
        );
        EXECUTE format('GRANT SELECT ON public.%I TO fynq_user', name);
        EXECUTE format('CREATE POLICY kept ON public.%I TO fynq_task USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT ON public.%I TO fynq_task', name);
    END LOOP;
END
$$;
GRANT UPDATE (state, run_id, ended_at) ON public.whispers TO fynq_task;
GRANT UPDATE (ended_at) ON public.signal_events TO fynq_task;

-- Marks: all of the sessions that one watches can be read; one's own are written.
CREATE POLICY watched ON public.signal_marks FOR SELECT TO fynq_user USING (EXISTS (
    SELECT FROM public.sessions s
    WHERE s.id = signal_marks.session_id AND s.student_id <> (SELECT auth.uid())
));
CREATE POLICY begun ON public.signal_marks FOR INSERT TO fynq_user WITH CHECK (
    user_id = (SELECT auth.uid()) AND EXISTS (
        SELECT FROM public.sessions s
        WHERE s.id = signal_marks.session_id AND s.student_id <> (SELECT auth.uid())
    )
);
CREATE POLICY changed ON public.signal_marks FOR UPDATE TO fynq_user
    USING (user_id = (SELECT auth.uid()) AND EXISTS (
        SELECT FROM public.sessions s
        WHERE s.id = signal_marks.session_id AND s.student_id <> (SELECT auth.uid())
    ))
    WITH CHECK (user_id = (SELECT auth.uid()));
GRANT SELECT, INSERT, UPDATE (useful, muted_until, at) ON public.signal_marks TO fynq_user;

-- Notes: of those who teach the student, and of the school's admin; written by their authors.
CREATE POLICY seen ON public.tutor_notes FOR SELECT TO fynq_user USING (
    org_id = (SELECT fynq.my_org()) AND student_id <> (SELECT auth.uid())
    AND (student_id IN (SELECT fynq.students_i_teach()) OR org_id = (SELECT fynq.org_i_run()))
);
CREATE POLICY written ON public.tutor_notes FOR INSERT TO fynq_user WITH CHECK (
    author_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.my_org()) AND student_id <> (SELECT auth.uid())
    AND (
        student_id IN (SELECT fynq.students_i_teach())
        OR (
            org_id = (SELECT fynq.org_i_run())
            AND student_id IN (SELECT u.id FROM public.users u WHERE u.org_id = (SELECT fynq.org_i_run()))
        )
    )
);
CREATE POLICY changed ON public.tutor_notes FOR UPDATE TO fynq_user
    USING (
        author_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.my_org())
        AND student_id <> (SELECT auth.uid())
        AND (student_id IN (SELECT fynq.students_i_teach()) OR org_id = (SELECT fynq.org_i_run()))
    )
    WITH CHECK (author_id = (SELECT auth.uid()));
CREATE POLICY ended ON public.tutor_notes FOR DELETE TO fynq_user USING (
    org_id = (SELECT fynq.my_org()) AND student_id <> (SELECT auth.uid())
    AND (
        (author_id = (SELECT auth.uid()) AND student_id IN (SELECT fynq.students_i_teach()))
        OR org_id = (SELECT fynq.org_i_run())
    )
);
GRANT SELECT, INSERT, UPDATE (text, updated_at), DELETE ON public.tutor_notes TO fynq_user;

-- ── The audit ───────────────────────────────────────────────────────────────────────────────────────

-- A roster is opened and closed as an observation is.
DROP INDEX public.audit_opened;
CREATE INDEX audit_opened ON public.audit (id) WHERE event IN ('observation_opened', 'roster_opened');
ALTER POLICY interrupted ON public.audit WITH CHECK (event IN ('observation_closed', 'roster_closed'));
