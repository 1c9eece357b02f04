-- What tutors write for students: content, its older versions, and how it is searched.

-- ── Words ───────────────────────────────────────────────────────────────────────────────────────────

-- By which rules a text of this language is searched; where PostgreSQL knows none, words are taken as they
-- stand. Immutable, as the generated column below needs it: these configurations are PostgreSQL's own.
CREATE FUNCTION fynq.search_rules(language text) RETURNS regconfig
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE split_part(lower(language), '-', 1)
        WHEN 'ar' THEN 'pg_catalog.arabic'::regconfig
        WHEN 'hy' THEN 'pg_catalog.armenian'::regconfig
        WHEN 'eu' THEN 'pg_catalog.basque'::regconfig
        WHEN 'ca' THEN 'pg_catalog.catalan'::regconfig
        WHEN 'da' THEN 'pg_catalog.danish'::regconfig
        WHEN 'nl' THEN 'pg_catalog.dutch'::regconfig
        WHEN 'en' THEN 'pg_catalog.english'::regconfig
        WHEN 'fi' THEN 'pg_catalog.finnish'::regconfig
        WHEN 'fr' THEN 'pg_catalog.french'::regconfig
        WHEN 'de' THEN 'pg_catalog.german'::regconfig
        WHEN 'el' THEN 'pg_catalog.greek'::regconfig
        WHEN 'hi' THEN 'pg_catalog.hindi'::regconfig
        WHEN 'hu' THEN 'pg_catalog.hungarian'::regconfig
        WHEN 'id' THEN 'pg_catalog.indonesian'::regconfig
        WHEN 'ga' THEN 'pg_catalog.irish'::regconfig
        WHEN 'it' THEN 'pg_catalog.italian'::regconfig
        WHEN 'lt' THEN 'pg_catalog.lithuanian'::regconfig
        WHEN 'ne' THEN 'pg_catalog.nepali'::regconfig
        WHEN 'no' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'nb' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'nn' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'pt' THEN 'pg_catalog.portuguese'::regconfig
        WHEN 'ro' THEN 'pg_catalog.romanian'::regconfig
        WHEN 'ru' THEN 'pg_catalog.russian'::regconfig
        WHEN 'sr' THEN 'pg_catalog.serbian'::regconfig
        WHEN 'es' THEN 'pg_catalog.spanish'::regconfig
        WHEN 'sv' THEN 'pg_catalog.swedish'::regconfig
        WHEN 'ta' THEN 'pg_catalog.tamil'::regconfig
        WHEN 'tr' THEN 'pg_catalog.turkish'::regconfig
        WHEN 'yi' THEN 'pg_catalog.yiddish'::regconfig
        ELSE 'pg_catalog.simple'::regconfig
    END
$$;

-- The title counts most, then the subject. A body with more different words than a tsvector holds is
-- searched by its first part.
CREATE FUNCTION fynq.content_words(language text, title text, subject text, body text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rules regconfig := fynq.search_rules(language);
    head  tsvector := setweight(to_tsvector(rules, title), 'A')
        || setweight(to_tsvector(rules, coalesce(subject, '')), 'B');
BEGIN
    RETURN head || to_tsvector(rules, body);
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN head || to_tsvector(rules, left(body, 65536));
END
$$;
REVOKE ALL ON FUNCTION fynq.search_rules(text), fynq.content_words(text, text, text, text) FROM PUBLIC;

-- ── What is kept ────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE public.content (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES public.organisations (id) ON DELETE CASCADE,
    -- NULL: their account is gone; what they wrote stays the school's.
    author_id     uuid REFERENCES public.users (id) ON DELETE SET NULL,
    title         text NOT NULL,
    subject       text,
    grade_lowest  smallint,
    grade_highest smallint,
    language      text NOT NULL,
    body          text NOT NULL,
    source        text,
    licence       text,
    state         text NOT NULL CHECK (state IN ('draft', 'published')),
    -- Who sees it once it is published; empty: the whole school.
    classes       uuid[] NOT NULL DEFAULT '{}',
    version       int4 NOT NULL DEFAULT 1,
    -- Of what was imported, its digest: what is imported again is there already.
    imported      text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    words         tsvector GENERATED ALWAYS AS (fynq.content_words(language, title, subject, body)) STORED,
    CHECK (grade_lowest <= grade_highest)
);
CREATE INDEX content_org ON public.content (org_id, id);
CREATE INDEX content_language ON public.content (org_id, language);
CREATE INDEX content_author ON public.content (author_id);
CREATE INDEX content_words ON public.content USING gin (words);
CREATE INDEX content_classes ON public.content USING gin (classes);
CREATE UNIQUE INDEX content_imported ON public.content (org_id, imported) WHERE imported IS NOT NULL;

-- What was there before a change. Who changed it is named without a foreign key, as everywhere.
CREATE TABLE public.content_versions (
    content_id    uuid NOT NULL REFERENCES public.content (id) ON DELETE CASCADE,
    version       int4 NOT NULL,
    title         text NOT NULL,
    subject       text,
    grade_lowest  smallint,
    grade_highest smallint,
    language      text NOT NULL,
    body          text NOT NULL,
    source        text,
    licence       text,
    state         text NOT NULL,
    -- When it was written, and who put another in its place.
    at            timestamptz NOT NULL,
    replaced_by   uuid,
    PRIMARY KEY (content_id, version)
);

-- ── What policies ask ───────────────────────────────────────────────────────────────────────────────

GRANT CREATE ON SCHEMA fynq TO fynq_policy;
GRANT EXECUTE ON FUNCTION fynq.search_rules(text), fynq.content_words(text, text, text, text)
    TO fynq_user, fynq_policy;
SET LOCAL ROLE fynq_policy;

-- The organisation in which whoever asks is a tutor or the admin; NULL for everybody else.
CREATE FUNCTION fynq.org_i_write_for() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT u.org_id FROM public.users u
        WHERE u.id = auth.uid() AND u.role IN ('tutor', 'admin') AND u.disabled_at IS NULL
    );
END
$$;

-- What of the own school holds these words, by the rules of its language, and the question in those rules;
-- `any_word`: one of them is enough. Ids alone: which of them whoever asks may see, the policies say. (Under
-- them no index on words can be used, as a search for words is nothing that PostgreSQL takes for discreet.)
CREATE FUNCTION fynq.content_with(asked text, any_word boolean) RETURNS TABLE (id uuid, question tsquery)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    mine  uuid := (SELECT u.org_id FROM public.users u WHERE u.id = auth.uid() AND u.disabled_at IS NULL);
    spoken text;
    looked_for tsquery;
BEGIN
    FOR spoken IN SELECT DISTINCT c.language FROM public.content c WHERE c.org_id = mine LOOP
        looked_for := CASE any_word
            WHEN true THEN replace(plainto_tsquery(fynq.search_rules(spoken), asked)::text, ' & ', ' | ')::tsquery
            ELSE websearch_to_tsquery(fynq.search_rules(spoken), asked)
        END;
        RETURN QUERY
            SELECT c.id, looked_for FROM public.content c
            WHERE c.org_id = mine AND c.language = spoken AND c.words @@ looked_for;
    END LOOP;
END
$$;

-- Every change is a version, and what was there is kept: the newest fifty.
CREATE FUNCTION fynq.keep_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.version := OLD.version + 1;
    INSERT INTO public.content_versions (content_id, version, title, subject, grade_lowest, grade_highest,
        language, body, source, licence, state, at, replaced_by)
    VALUES (OLD.id, OLD.version, OLD.title, OLD.subject, OLD.grade_lowest, OLD.grade_highest,
        OLD.language, OLD.body, OLD.source, OLD.licence, OLD.state, OLD.updated_at, auth.uid());
    DELETE FROM public.content_versions v WHERE v.content_id = OLD.id AND v.version <= OLD.version - 50;
    RETURN NEW;
END
$$;

-- What was for one class alone becomes nobody's with it, never the whole school's.
CREATE FUNCTION fynq.leave_class() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.content c
    SET state = CASE WHEN c.classes <@ ARRAY[OLD.id] THEN 'draft' ELSE c.state END,
        classes = array_remove(c.classes, OLD.id), updated_at = now()
    WHERE c.classes @> ARRAY[OLD.id];
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION fynq.org_i_write_for(), fynq.content_with(text, boolean) TO fynq_user;
RESET ROLE;
REVOKE CREATE ON SCHEMA fynq FROM fynq_policy;
CREATE TRIGGER keep_version
    BEFORE UPDATE OF title, subject, grade_lowest, grade_highest, language, body, source, licence, state, classes
    ON public.content FOR EACH ROW EXECUTE FUNCTION fynq.keep_version();
CREATE TRIGGER leave_class AFTER DELETE ON public.classes
    FOR EACH ROW EXECUTE FUNCTION fynq.leave_class();
-- Only now: whoever makes a trigger needs the right to its function at that moment.
SET LOCAL ROLE fynq_policy;
REVOKE ALL ON FUNCTION fynq.org_i_write_for(), fynq.content_with(text, boolean), fynq.keep_version(),
    fynq.leave_class() FROM PUBLIC;
RESET ROLE;

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['content', 'content_versions'] LOOP
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

-- Published content: of the whole school, or of the classes that one is in; to tutors all of the school's.
-- Drafts: to their authors, to those who teach one of their classes, and to the admin.
CREATE POLICY seen ON public.content FOR SELECT TO fynq_user USING (
    (
        state = 'published' AND org_id = (SELECT fynq.my_org())
        AND (
            classes = '{}'
            OR classes && ARRAY(SELECT fynq.my_classes())
            OR org_id = (SELECT fynq.org_i_write_for())
        )
    )
    OR (
        org_id = (SELECT fynq.org_i_write_for())
        AND (author_id = (SELECT auth.uid()) OR classes && ARRAY(SELECT fynq.classes_i_teach()))
    )
    OR org_id = (SELECT fynq.org_i_run())
);
-- Tutors write for the whole school and for the classes that they teach, admins for every class.
CREATE POLICY written ON public.content FOR INSERT TO fynq_user WITH CHECK (
    author_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.org_i_write_for())
    AND (
        classes <@ ARRAY(SELECT fynq.classes_i_teach())
        OR (
            org_id = (SELECT fynq.org_i_run())
            AND classes <@ ARRAY(SELECT c.id FROM public.classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
        )
    )
);
CREATE POLICY changed ON public.content FOR UPDATE TO fynq_user
    USING (
        org_id = (SELECT fynq.org_i_write_for())
        AND (author_id = (SELECT auth.uid()) OR org_id = (SELECT fynq.org_i_run()))
    )
    WITH CHECK (
        (author_id = (SELECT auth.uid()) AND classes <@ ARRAY(SELECT fynq.classes_i_teach()))
        OR (
            org_id = (SELECT fynq.org_i_run())
            AND classes <@ ARRAY(SELECT c.id FROM public.classes c WHERE c.org_id = (SELECT fynq.org_i_run()))
        )
    );
CREATE POLICY ended ON public.content FOR DELETE TO fynq_user USING (
    org_id = (SELECT fynq.org_i_write_for())
    AND (author_id = (SELECT auth.uid()) OR org_id = (SELECT fynq.org_i_run()))
);
GRANT SELECT,
    INSERT (id, org_id, author_id, title, subject, grade_lowest, grade_highest, language, body, source, licence,
        state, classes, imported, created_at, updated_at),
    UPDATE (title, subject, grade_lowest, grade_highest, language, body, source, licence, state, classes,
        updated_at),
    DELETE ON public.content TO fynq_user;

-- Older versions: to those who may write it.
CREATE POLICY seen ON public.content_versions FOR SELECT TO fynq_user USING (EXISTS (
    SELECT FROM public.content c
    WHERE c.id = content_versions.content_id AND c.org_id = (SELECT fynq.org_i_write_for())
      AND (c.author_id = (SELECT auth.uid()) OR c.org_id = (SELECT fynq.org_i_run()))
));
GRANT SELECT ON public.content_versions TO fynq_user;

CREATE POLICY policies_ask ON public.content TO fynq_policy USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (state, classes, updated_at) ON public.content TO fynq_policy;
CREATE POLICY kept ON public.content_versions TO fynq_policy USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON public.content_versions TO fynq_policy;
