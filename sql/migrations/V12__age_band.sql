-- How old somebody is, as roughly as a rule about consent needs it, and of whom an organisation asks one.

-- Said by an admin of the organisation alone: a child would say adult.
ALTER TABLE public.users ADD COLUMN age_band text NOT NULL DEFAULT 'unknown'
    CHECK (age_band IN ('unknown', 'under_13', '13_to_15', '16_to_17', 'adult'));
GRANT SELECT (age_band) ON public.users TO fynq_user, fynq_admin;
GRANT INSERT (age_band), UPDATE (age_band) ON public.users TO fynq_admin;

-- NULL: of every student.
ALTER TABLE public.organisations ADD COLUMN consent_below smallint CHECK (consent_below IN (13, 16, 18));
GRANT UPDATE (consent_below) ON public.organisations TO fynq_admin;

-- Whether an organisation asks a consent of somebody: of a student who may be below that age, by the
-- youngest that their band says. Nothing is looked up in it by name when it runs, so it needs no search path
-- of its own, and without one the planner puts it into the statement that asks: a ticket's costs no call.
CREATE FUNCTION fynq.needs_consent(required boolean, below smallint, role_name text, age_band text)
RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN required AND role_name = 'student' AND (below IS NULL OR below > CASE age_band
    WHEN 'adult' THEN 18
    WHEN '16_to_17' THEN 16
    WHEN '13_to_15' THEN 13
    ELSE 0
END);
REVOKE ALL ON FUNCTION fynq.needs_consent(boolean, smallint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.needs_consent(boolean, smallint, text, text) TO fynq_door, fynq_user, fynq_admin;
GRANT USAGE ON SCHEMA fynq TO fynq_door;

-- A temporary table comes before ours of the same name in every statement that does not name the schema.
-- PostgreSQL lets everybody make one; only the owner of the database can end that.
DO $$
DECLARE
    name text := current_database();
BEGIN
    IF (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = name) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', name);
    ELSE
        RAISE NOTICE 'every role may make temporary tables in %: its owner should revoke that from PUBLIC', name;
    END IF;
END
$$;
