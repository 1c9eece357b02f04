-- What classes and their administration need beside V6.

-- ── What policies ask, once more ────────────────────────────────────────────────────────────────────

-- In plpgsql, which keeps its plans for as long as the connection lives: in V6 each question was planned
-- anew by every statement, and a row that one may not see took visibly longer than one that is not there.
-- Membership counts inside one organisation alone, whatever an operator has moved since.
-- They belong to fynq_policy, whose rights the owner has only after taking the role.
GRANT CREATE ON SCHEMA fynq TO fynq_policy;
SET LOCAL ROLE fynq_policy;

CREATE OR REPLACE FUNCTION fynq.my_org() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT u.org_id FROM public.users u WHERE u.id = auth.uid() AND u.disabled_at IS NULL);
END
$$;

CREATE OR REPLACE FUNCTION fynq.org_i_run() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT u.org_id FROM public.users u
        WHERE u.id = auth.uid() AND u.role = 'admin' AND u.disabled_at IS NULL
    );
END
$$;

CREATE OR REPLACE FUNCTION fynq.classes_i_teach() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT m.class_id
        FROM public.class_members m
        JOIN public.users u ON u.id = m.user_id
        JOIN public.classes c ON c.id = m.class_id AND c.org_id = u.org_id
        WHERE m.user_id = auth.uid() AND m.member_as = 'tutor' AND u.role IN ('tutor', 'admin')
          AND u.disabled_at IS NULL;
END
$$;

CREATE OR REPLACE FUNCTION fynq.my_classes() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT m.class_id
        FROM public.class_members m
        JOIN public.users u ON u.id = m.user_id
        JOIN public.classes c ON c.id = m.class_id AND c.org_id = u.org_id
        WHERE m.user_id = auth.uid() AND u.disabled_at IS NULL;
END
$$;

CREATE OR REPLACE FUNCTION fynq.students_i_teach() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT s.user_id
        FROM public.class_members t
        JOIN public.users u ON u.id = t.user_id
        JOIN public.classes c ON c.id = t.class_id AND c.org_id = u.org_id
        JOIN public.class_members s ON s.class_id = c.id AND s.member_as = 'student'
        JOIN public.users p ON p.id = s.user_id AND p.org_id = u.org_id
        WHERE t.user_id = auth.uid() AND t.member_as = 'tutor' AND u.role IN ('tutor', 'admin')
          AND u.disabled_at IS NULL;
END
$$;

-- No class has a member of another organisation, whatever a statement asks. After the row and not as a
-- policy: a class and its first tutor, or a student and their class, may come in one statement.
CREATE FUNCTION fynq.same_organisation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM public.classes c
        JOIN public.users u ON u.org_id = c.org_id
        WHERE c.id = NEW.class_id AND u.id = NEW.user_id
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a member of another organisation';
    END IF;
    RETURN NULL;
END
$$;

RESET ROLE;
REVOKE CREATE ON SCHEMA fynq FROM fynq_policy;
CREATE TRIGGER same_organisation AFTER INSERT OR UPDATE ON class_members
    FOR EACH ROW EXECUTE FUNCTION fynq.same_organisation();
SET LOCAL ROLE fynq_policy;
REVOKE ALL ON FUNCTION fynq.same_organisation() FROM PUBLIC;
RESET ROLE;

-- ── Who may what ────────────────────────────────────────────────────────────────────────────────────

-- A session stays with the organisation that it began in: whoever teaches its student in another one
-- does not see it.
ALTER POLICY seen ON sessions USING (
    student_id = (SELECT auth.uid())
    OR (org_id = (SELECT fynq.my_org()) AND student_id IN (SELECT fynq.students_i_teach()))
    OR org_id = (SELECT fynq.org_i_run())
);

-- Whether somebody who watches a session still may is asked for all of them at once, as nobody in
-- particular: whose session it is, and nothing that was said in it.
CREATE POLICY at_the_door ON sessions FOR SELECT TO fynq_door USING (true);
GRANT SELECT (id, student_id, org_id) ON sessions TO fynq_door;

CREATE INDEX class_members_tutors ON class_members (user_id, class_id) WHERE member_as = 'tutor';
