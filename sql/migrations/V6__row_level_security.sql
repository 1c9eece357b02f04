-- Who may touch which row, held by the database itself. Every transaction takes one of five roles with
-- SET LOCAL ROLE; what a role may do is all in the policies and grants, and a connection that took none
-- may do nothing (the login role owns nothing and does not inherit).
--
--   fynq_user   somebody who is signed in; who, say the claims of the transaction
--   fynq_admin  the same, for what only the admin of an organisation does
--   fynq_door   before anybody is known: sign-ins, tokens, tickets
--   fynq_task   the sessions in memory and the writer
--   fynq_jobs   housekeeping
--   fynq_policy owns the functions that policies ask; nobody takes it
--   fynq_app    the login role of a server that owns nothing

DO $$
DECLARE
    name text;
BEGIN
    -- Roles belong to the whole cluster: another database may be making them at this moment.
    FOREACH name IN ARRAY
        ARRAY['fynq_user', 'fynq_admin', 'fynq_door', 'fynq_task', 'fynq_jobs', 'fynq_policy', 'fynq_app']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY
        ARRAY['fynq_user', 'fynq_admin', 'fynq_door', 'fynq_task', 'fynq_jobs', 'fynq_policy']
    LOOP
        FOR attempt IN 1..100 LOOP
            BEGIN
                IF name <> 'fynq_policy' AND NOT pg_has_role('fynq_app', name, 'MEMBER') THEN
                    EXECUTE format('GRANT %I TO fynq_app', name);
                END IF;
                -- The owner may take each role, and has none of their rights without taking it. (Before
                -- PostgreSQL 16 that is a property of the owner: NOINHERIT.)
                IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
                    EXECUTE format(
                        CASE WHEN current_setting('server_version_num')::int >= 160000
                            THEN 'GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE'
                            ELSE 'GRANT %I TO CURRENT_USER'
                        END, name
                    );
                END IF;
                EXIT;
            EXCEPTION WHEN internal_error OR unique_violation THEN
                PERFORM pg_sleep(0.02);
            END;
        END LOOP;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'auth') THEN
        CREATE SCHEMA auth;
    END IF;
    -- Supabase has its own, which must not be replaced. After a transaction a setting reads as ''.
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $uid$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.sub', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
            )::uuid
        $uid$;
    END IF;
END
$$;

-- ── What policies ask ───────────────────────────────────────────────────────────────────────────────

CREATE SCHEMA fynq;
GRANT CREATE ON SCHEMA fynq TO fynq_policy;
GRANT USAGE ON SCHEMA fynq, auth TO fynq_user, fynq_admin, fynq_policy;
GRANT EXECUTE ON FUNCTION auth.uid() TO fynq_user, fynq_admin, fynq_policy;

-- The organisation of whoever asks.
CREATE FUNCTION fynq.my_org() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.org_id FROM public.users u WHERE u.id = auth.uid() AND u.disabled_at IS NULL
$$;

-- The organisation that whoever asks is the admin of; NULL for everybody else.
CREATE FUNCTION fynq.org_i_run() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.org_id FROM public.users u
    WHERE u.id = auth.uid() AND u.role = 'admin' AND u.disabled_at IS NULL
$$;

-- The classes that whoever asks teaches: as a member of them, and as a tutor or an admin by their role.
CREATE FUNCTION fynq.classes_i_teach() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.class_id
    FROM public.class_members m
    JOIN public.users u ON u.id = m.user_id
    JOIN public.classes c ON c.id = m.class_id AND c.org_id = u.org_id
    WHERE m.user_id = auth.uid() AND m.member_as = 'tutor' AND u.role IN ('tutor', 'admin')
      AND u.disabled_at IS NULL
$$;

CREATE FUNCTION fynq.my_classes() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.class_id FROM public.class_members m WHERE m.user_id = auth.uid()
$$;

-- The students of those classes, of the same organisation.
CREATE FUNCTION fynq.students_i_teach() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.user_id
    FROM public.class_members s
    JOIN public.users u ON u.id = s.user_id
    WHERE s.member_as = 'student' AND u.org_id = fynq.my_org()
      AND s.class_id IN (SELECT fynq.classes_i_teach())
$$;

ALTER FUNCTION fynq.my_org() OWNER TO fynq_policy;
ALTER FUNCTION fynq.org_i_run() OWNER TO fynq_policy;
ALTER FUNCTION fynq.classes_i_teach() OWNER TO fynq_policy;
ALTER FUNCTION fynq.my_classes() OWNER TO fynq_policy;
ALTER FUNCTION fynq.students_i_teach() OWNER TO fynq_policy;
REVOKE CREATE ON SCHEMA fynq FROM fynq_policy;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fynq FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA fynq TO fynq_user, fynq_admin, fynq_policy;

-- ── The writer's one call ───────────────────────────────────────────────────────────────────────────

-- It runs as fynq_task whoever calls it, in a transaction that needs no other statement.
DO $$
DECLARE
    call regprocedure := (SELECT p.oid FROM pg_proc p
                          WHERE p.proname = 'write_batch' AND p.pronamespace = 'public'::regnamespace);
BEGIN
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', call);
    GRANT CREATE ON SCHEMA public TO fynq_task;
    EXECUTE format('ALTER FUNCTION %s OWNER TO fynq_task', call);
    REVOKE CREATE ON SCHEMA public FROM fynq_task;
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', call);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO fynq_app', call);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO CURRENT_USER', call);
END
$$;

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'users', 'sign_ins', 'refresh_tokens', 'socket_tickets', 'sessions', 'messages', 'organisations',
        'classes', 'class_members', 'refinery_schema_history'
    ]
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('REVOKE ALL ON TABLE %I FROM PUBLIC', name);
        -- On Supabase these reach the schema through its REST door.
        FOREACH other IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = other) THEN
                EXECUTE format('REVOKE ALL ON TABLE %I FROM %I', name, other);
            END IF;
        END LOOP;
        -- The owner too. Only the table of the migrations, which holds nobody's data and which the owner
        -- must be able to write, stays the owner's.
        IF name <> 'refinery_schema_history' THEN
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        END IF;
    END LOOP;
END
$$;

CREATE POLICY known ON refinery_schema_history FOR SELECT TO fynq_app USING (true);
GRANT SELECT ON refinery_schema_history TO fynq_app;

-- ── Who may what ────────────────────────────────────────────────────────────────────────────────────

GRANT USAGE ON SCHEMA public
    TO fynq_user, fynq_admin, fynq_door, fynq_task, fynq_jobs, fynq_policy, fynq_app;

CREATE POLICY policies_ask ON users FOR SELECT TO fynq_policy USING (true);
CREATE POLICY policies_ask ON classes FOR SELECT TO fynq_policy USING (true);
CREATE POLICY policies_ask ON class_members FOR SELECT TO fynq_policy USING (true);
GRANT SELECT ON users, classes, class_members TO fynq_policy;

-- People: oneself, the staff of one's organisation (whose names stand beside what they say), the
-- students one teaches, and to an admin everybody of the organisation. Never a password's hash.
CREATE POLICY seen ON users FOR SELECT TO fynq_user, fynq_admin USING (
    id = (SELECT auth.uid())
    OR (org_id = (SELECT fynq.my_org()) AND role IN ('tutor', 'admin'))
    OR org_id = (SELECT fynq.org_i_run())
    OR id IN (SELECT fynq.students_i_teach())
);
CREATE POLICY own ON users FOR UPDATE TO fynq_user
    USING (id = (SELECT auth.uid())) WITH CHECK (id = (SELECT auth.uid()));
GRANT SELECT (id, email, role, display_name, locale, grade, disabled_at, created_at, updated_at, org_id)
    ON users TO fynq_user, fynq_admin;
GRANT UPDATE (display_name, locale, grade, updated_at) ON users TO fynq_user;
CREATE POLICY administered ON users FOR ALL TO fynq_admin
    USING (org_id = (SELECT fynq.org_i_run())) WITH CHECK (org_id = (SELECT fynq.org_i_run()));
GRANT INSERT (id, email, password_hash, role, display_name, locale, grade, created_at, updated_at, org_id),
    UPDATE (role, disabled_at, display_name, password_hash, updated_at), DELETE ON users TO fynq_admin;
CREATE POLICY at_the_door ON users TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON users TO fynq_door;
CREATE POLICY named ON users FOR SELECT TO fynq_task USING (true);
GRANT SELECT (id, email, display_name, org_id) ON users TO fynq_task;

CREATE POLICY own ON organisations FOR SELECT TO fynq_user, fynq_admin USING (id = (SELECT fynq.my_org()));
GRANT SELECT ON organisations TO fynq_user, fynq_admin;
CREATE POLICY run ON organisations FOR UPDATE TO fynq_admin
    USING (id = (SELECT fynq.org_i_run())) WITH CHECK (id = (SELECT fynq.org_i_run()));
GRANT UPDATE (name) ON organisations TO fynq_admin;
CREATE POLICY at_the_door ON organisations TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON organisations TO fynq_door;

-- Classes: one's own, those one teaches, and to an admin all of the organisation.
CREATE POLICY seen ON classes FOR SELECT TO fynq_user USING (
    id IN (SELECT fynq.my_classes()) OR org_id = (SELECT fynq.org_i_run())
);
CREATE POLICY taught ON classes FOR UPDATE TO fynq_user
    USING (id IN (SELECT fynq.classes_i_teach()) OR org_id = (SELECT fynq.org_i_run()))
    WITH CHECK (org_id = (SELECT fynq.my_org()));
CREATE POLICY ended ON classes FOR DELETE TO fynq_user
    USING (id IN (SELECT fynq.classes_i_teach()) OR org_id = (SELECT fynq.org_i_run()));
GRANT SELECT, UPDATE (name, join_code), DELETE ON classes TO fynq_user;
-- Making one, and joining by a code that names a class which one cannot see yet.
CREATE POLICY at_the_door ON classes TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON classes TO fynq_door;

-- Members: oneself, whoever one teaches with or teaches, and to an admin all.
CREATE POLICY seen ON class_members FOR SELECT TO fynq_user USING (
    user_id = (SELECT auth.uid())
    OR class_id IN (SELECT fynq.classes_i_teach())
    OR class_id IN (SELECT c.id FROM classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
    OR (member_as = 'tutor' AND class_id IN (SELECT fynq.my_classes()))
);
CREATE POLICY added ON class_members FOR INSERT TO fynq_user WITH CHECK (
    (
        class_id IN (SELECT fynq.classes_i_teach())
        OR class_id IN (SELECT c.id FROM classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
    )
    AND user_id IN (SELECT u.id FROM users u WHERE u.org_id = (SELECT fynq.my_org()))
);
CREATE POLICY removed ON class_members FOR DELETE TO fynq_user USING (
    user_id = (SELECT auth.uid())
    OR class_id IN (SELECT fynq.classes_i_teach())
    OR class_id IN (SELECT c.id FROM classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
);
GRANT SELECT, INSERT, DELETE ON class_members TO fynq_user;
CREATE POLICY at_the_door ON class_members TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON class_members TO fynq_door;

-- Sessions: the student's own, those of the students one teaches, and to an admin the organisation's.
CREATE POLICY seen ON sessions FOR SELECT TO fynq_user USING (
    student_id = (SELECT auth.uid())
    OR student_id IN (SELECT fynq.students_i_teach())
    OR org_id = (SELECT fynq.org_i_run())
);
CREATE POLICY begun ON sessions FOR INSERT TO fynq_user
    WITH CHECK (student_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.my_org()));
CREATE POLICY changed ON sessions FOR UPDATE TO fynq_user
    USING (student_id = (SELECT auth.uid())) WITH CHECK (student_id = (SELECT auth.uid()));
CREATE POLICY deleted ON sessions FOR DELETE TO fynq_user USING (student_id = (SELECT auth.uid()));
GRANT SELECT, INSERT, UPDATE (title, subject, updated_at), DELETE ON sessions TO fynq_user;
CREATE POLICY kept ON sessions TO fynq_task USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (title, updated_at, control, hand_raised, done) ON sessions TO fynq_task;

-- Messages: of the sessions that one sees. Only the tasks write them.
CREATE POLICY seen ON messages FOR SELECT TO fynq_user
    USING (EXISTS (SELECT FROM sessions s WHERE s.id = messages.session_id));
GRANT SELECT ON messages TO fynq_user;
CREATE POLICY kept ON messages TO fynq_task USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON messages TO fynq_task;

-- Sign-ins and what proves them.
CREATE POLICY at_the_door ON sign_ins TO fynq_door USING (true) WITH CHECK (true);
CREATE POLICY at_the_door ON refresh_tokens TO fynq_door USING (true) WITH CHECK (true);
CREATE POLICY at_the_door ON socket_tickets TO fynq_door USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON sign_ins, refresh_tokens TO fynq_door;
GRANT SELECT, INSERT, DELETE ON socket_tickets TO fynq_door;
CREATE POLICY own ON sign_ins TO fynq_user
    USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
GRANT SELECT, UPDATE (ended_at) ON sign_ins TO fynq_user;
CREATE POLICY administered ON sign_ins TO fynq_admin
    USING (user_id IN (SELECT u.id FROM users u WHERE u.org_id = (SELECT fynq.org_i_run())));
GRANT SELECT, UPDATE (ended_at) ON sign_ins TO fynq_admin;
CREATE POLICY swept ON sign_ins TO fynq_jobs USING (true);
CREATE POLICY swept ON refresh_tokens TO fynq_jobs USING (true);
CREATE POLICY swept ON socket_tickets TO fynq_jobs USING (true);
GRANT SELECT, DELETE ON sign_ins, refresh_tokens, socket_tickets TO fynq_jobs;
