-- Files of content, and the pages of documents: what a search finds of a book is a page.

-- ── What is kept ────────────────────────────────────────────────────────────────────────────────────

-- A file that is attached is the school's: it stays when its owner's account goes, and counts to the school's
-- room alone from then on.
ALTER TABLE public.files ALTER COLUMN owner_id DROP NOT NULL;

-- A file belongs to one piece of content. What is attached is not deleted but taken out of there.
CREATE TABLE public.content_files (
    file_id    uuid PRIMARY KEY REFERENCES public.files (id),
    content_id uuid NOT NULL REFERENCES public.content (id) ON DELETE CASCADE,
    position   smallint NOT NULL,
    -- The content's, for the rules by which pages are searched.
    language   text NOT NULL,
    -- 'none': it has no words that are read.
    reading    text NOT NULL CHECK (reading IN ('none', 'waiting', 'read', 'failed')),
    -- Which task reads it; without a foreign key, as tasks go after a month.
    task       uuid,
    -- Once it is read: of how many pages (or parts, of what has no pages), and whether there were more.
    read_pages integer,
    cut        boolean NOT NULL DEFAULT false
);
CREATE INDEX content_files_content ON public.content_files (content_id, position);
CREATE UNIQUE INDEX content_files_task ON public.content_files (task) WHERE task IS NOT NULL;

-- A page with more different words than a tsvector holds is searched by its first part.
CREATE FUNCTION fynq.page_words(language text, page text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN to_tsvector(fynq.search_rules(language), page);
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector(fynq.search_rules(language), left(page, 65536));
END
$$;
REVOKE ALL ON FUNCTION fynq.page_words(text, text) FROM PUBLIC;

CREATE TABLE public.content_pages (
    file_id  uuid NOT NULL REFERENCES public.content_files (file_id) ON DELETE CASCADE,
    page     integer NOT NULL CHECK (page > 0),
    language text NOT NULL,
    text     text NOT NULL,
    words    tsvector GENERATED ALWAYS AS (fynq.page_words(language, text)) STORED,
    PRIMARY KEY (file_id, page)
);
CREATE INDEX content_pages_words ON public.content_pages USING gin (words);

-- ── What policies and searches ask ──────────────────────────────────────────────────────────────────

GRANT CREATE ON SCHEMA fynq TO fynq_policy;
GRANT EXECUTE ON FUNCTION fynq.page_words(text, text) TO fynq_jobs;
GRANT EXECUTE ON FUNCTION fynq.search_rules(text) TO fynq_jobs;
SET LOCAL ROLE fynq_policy;

CREATE FUNCTION fynq.is_attached(file uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.content_files f WHERE f.file_id = is_attached.file);
END
$$;

-- What whoever asks may see that holds these words, by the rules of its language, and the question in those
-- rules; `any_word`: one of them is enough. With how well it fits, and the page that fits best, where one fits
-- better than what stands in the content itself. It judges what is seen, as the policies do: under those no index
-- on words can be used, as a search for words is nothing that PostgreSQL takes for discreet.
CREATE FUNCTION fynq.library_with(asked text, any_word boolean)
RETURNS TABLE (id uuid, question tsquery, file uuid, page integer, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me         uuid := auth.uid();
    mine       uuid;
    runs       boolean;
    writes     boolean;
    in_classes uuid[];
    teaches    uuid[];
    spoken     text;
    looked_for tsquery;
BEGIN
    SELECT u.org_id, u.role = 'admin', u.role IN ('tutor', 'admin') INTO mine, runs, writes
    FROM public.users u WHERE u.id = me AND u.disabled_at IS NULL;
    in_classes := ARRAY(SELECT fynq.my_classes());
    teaches := ARRAY(SELECT fynq.classes_i_teach());
    FOR spoken IN SELECT DISTINCT c.language FROM public.content c WHERE c.org_id = mine LOOP
        looked_for := CASE any_word
            WHEN true THEN replace(plainto_tsquery(fynq.search_rules(spoken), asked)::text, ' & ', ' | ')::tsquery
            ELSE websearch_to_tsquery(fynq.search_rules(spoken), asked)
        END;
        RETURN QUERY
            WITH hits AS (
                SELECT c.id, NULL::uuid AS file, NULL::integer AS page,
                       ts_rank_cd(c.words, looked_for, 1) AS rank,
                       -- Without title and subject: what is said of it there is no reason not to show a page.
                       ts_rank_cd(ts_filter(c.words, '{c,d}'), looked_for, 1) AS said
                FROM public.content c
                WHERE c.org_id = mine AND c.language = spoken AND c.words @@ looked_for
                UNION ALL
                SELECT f.content_id, p.file_id, p.page, r.rank, r.rank
                FROM public.content_pages p
                JOIN public.content_files f ON f.file_id = p.file_id AND f.reading = 'read'
                JOIN public.content c ON c.id = f.content_id AND c.org_id = mine
                CROSS JOIN LATERAL (SELECT ts_rank_cd(p.words, looked_for, 1) AS rank) r
                WHERE p.language = spoken AND p.words @@ looked_for
            ), best AS (
                SELECT DISTINCT ON (h.id) h.id, h.file, h.page,
                       (coalesce(max(h.rank) FILTER (WHERE h.file IS NULL) OVER of_one, 0)
                        + coalesce(max(h.rank) FILTER (WHERE h.file IS NOT NULL) OVER of_one, 0))::real AS rank
                FROM hits h
                WINDOW of_one AS (PARTITION BY h.id)
                ORDER BY h.id, h.said DESC, h.file NULLS FIRST, h.page
            )
            SELECT b.id, looked_for, b.file, b.page, b.rank
            FROM best b
            JOIN public.content c ON c.id = b.id
            WHERE runs
               OR (c.state = 'published' AND (c.classes = '{}' OR writes OR c.classes && in_classes))
               OR (writes AND (c.author_id = me OR c.classes && teaches));
    END LOOP;
END
$$;

-- As in V18, for a fynq that is older and still runs; it, too, judges by now.
CREATE OR REPLACE FUNCTION fynq.content_with(asked text, any_word boolean)
RETURNS TABLE (id uuid, question tsquery)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT w.id, w.question FROM fynq.library_with(asked, any_word) w;
END
$$;
GRANT EXECUTE ON FUNCTION fynq.is_attached(uuid), fynq.library_with(text, boolean) TO fynq_user;
REVOKE ALL ON FUNCTION fynq.is_attached(uuid), fynq.library_with(text, boolean) FROM PUBLIC;
RESET ROLE;
REVOKE CREATE ON SCHEMA fynq FROM fynq_policy;

-- ── Locks ───────────────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
    other text;
BEGIN
    FOREACH name IN ARRAY ARRAY['content_files', 'content_pages'] LOOP
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

-- What is attached is seen by those who see the content, and so are its pages. Nobody attaches or detaches:
-- `attach_files` does.
CREATE POLICY seen ON public.content_files FOR SELECT TO fynq_user
    USING (EXISTS (SELECT FROM public.content c WHERE c.id = content_files.content_id));
GRANT SELECT ON public.content_files TO fynq_user;
CREATE POLICY seen ON public.content_pages FOR SELECT TO fynq_user
    USING (EXISTS (SELECT FROM public.content_files f WHERE f.file_id = content_pages.file_id));
GRANT SELECT ON public.content_pages TO fynq_user;
CREATE POLICY attached ON public.files FOR SELECT TO fynq_user USING (
    state = 'ready' AND EXISTS (SELECT FROM public.content_files f WHERE f.file_id = files.id)
);

CREATE POLICY policies_ask ON public.content_files FOR SELECT TO fynq_policy USING (true);
CREATE POLICY policies_ask ON public.content_pages FOR SELECT TO fynq_policy USING (true);
GRANT SELECT ON public.content_files, public.content_pages TO fynq_policy;

CREATE POLICY kept ON public.content_files TO fynq_jobs USING (true) WITH CHECK (true);
CREATE POLICY kept ON public.content_pages TO fynq_jobs USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.content_files, public.content_pages TO fynq_jobs;
-- Which content it is that a file is attached to; whether its author may write.
CREATE POLICY read ON public.content FOR SELECT TO fynq_jobs USING (true);
GRANT SELECT (id, org_id, author_id, language) ON public.content TO fynq_jobs;
GRANT SELECT (org_id, disabled_at) ON public.users TO fynq_jobs;
GRANT UPDATE (owner_id) ON public.files TO fynq_jobs;
GRANT USAGE ON SCHEMA auth TO fynq_jobs;
GRANT EXECUTE ON FUNCTION auth.uid() TO fynq_jobs;

-- ── The only way in ─────────────────────────────────────────────────────────────────────────────────

-- Content has these files and no others, in this order. By whoever may change it: their own files, or those that
-- it has already. `readers` are ids, one for each file, of the tasks that read what is new; NULL for `named`:
-- nothing changes.
CREATE FUNCTION fynq.attach_files(content uuid, named uuid[], readers uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me     uuid := auth.uid();
    org    uuid;
    spoken text;
BEGIN
    IF named IS NULL THEN
        RETURN;
    END IF;
    SELECT c.org_id, c.language INTO org, spoken
    FROM public.content c
    JOIN public.users u ON u.id = me AND u.org_id = c.org_id AND u.disabled_at IS NULL
    WHERE c.id = attach_files.content AND (u.role = 'admin' OR (u.role = 'tutor' AND c.author_id = me));
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'the content is not theirs';
    END IF;
    DELETE FROM public.content_files a WHERE a.content_id = attach_files.content AND a.file_id <> ALL (named);
    -- What is attached elsewhere stays there.
    INSERT INTO public.content_files AS a (file_id, content_id, position, language, reading, task)
    SELECT f.id, attach_files.content, n.place, spoken, CASE WHEN w.words THEN 'waiting' ELSE 'none' END,
           CASE WHEN w.words THEN n.reader END
    FROM unnest(named, readers) WITH ORDINALITY AS n (file, reader, place)
    JOIN public.files f ON f.id = n.file AND f.state = 'ready' AND f.org_id = org
    CROSS JOIN LATERAL (SELECT f.media_type = 'application/pdf' OR f.media_type LIKE 'application/vnd.%'
        OR f.media_type LIKE 'text/%' AS words) w
    WHERE f.owner_id = me
       OR EXISTS (SELECT FROM public.content_files o WHERE o.file_id = f.id AND o.content_id = attach_files.content)
    ON CONFLICT (file_id) DO UPDATE SET position = excluded.position WHERE a.content_id = attach_files.content;
    IF (SELECT count(*) FROM public.content_files a WHERE a.content_id = attach_files.content) <> cardinality(named) THEN
        RAISE unique_violation USING MESSAGE = 'a file has gone, or is attached elsewhere';
    END IF;
    PERFORM fynq.enqueue_task(
        a.task, 'document_pages', org, me, jsonb_build_object('file', a.file_id), NULL, now(), 0::smallint, 8
    )
    FROM public.content_files a WHERE a.content_id = attach_files.content AND a.task = ANY (readers);
END
$$;

-- ── What follows what ───────────────────────────────────────────────────────────────────────────────

-- Pages are searched by the rules of the content's language, also when that changes.
CREATE FUNCTION fynq.pages_follow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.content_files f SET language = NEW.language WHERE f.content_id = NEW.id;
    UPDATE public.content_pages p SET language = NEW.language
    FROM public.content_files f
    WHERE f.content_id = NEW.id AND p.file_id = f.file_id;
    RETURN NULL;
END
$$;

-- Where the task that reads a file ends in vain, or is put back.
CREATE FUNCTION fynq.reading_ends() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.content_files f SET reading = CASE NEW.status WHEN 'queued' THEN 'waiting' ELSE 'failed' END
    WHERE f.task = NEW.id AND f.reading <> 'read';
    RETURN NULL;
END
$$;

-- What is attached stays when its owner goes, and so does the task that reads it.
CREATE FUNCTION fynq.files_stay() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.tasks t SET owner_id = NULL
    FROM public.files f, public.content_files a
    WHERE t.owner_id = OLD.id AND t.kind = 'document_pages' AND a.task = t.id AND f.id = a.file_id;
    UPDATE public.files f SET owner_id = NULL
    WHERE f.owner_id = OLD.id AND EXISTS (SELECT FROM public.content_files a WHERE a.file_id = f.id);
    RETURN OLD;
END
$$;

CREATE TRIGGER pages_follow AFTER UPDATE OF language ON public.content
    FOR EACH ROW WHEN (OLD.language <> NEW.language) EXECUTE FUNCTION fynq.pages_follow();
CREATE TRIGGER reading_ends AFTER UPDATE OF status ON public.tasks
    FOR EACH ROW WHEN (NEW.kind = 'document_pages' AND NEW.status IN ('queued', 'failed', 'cancelled'))
    EXECUTE FUNCTION fynq.reading_ends();
CREATE TRIGGER files_stay BEFORE DELETE ON public.users
    FOR EACH ROW EXECUTE FUNCTION fynq.files_stay();
-- A file goes with the last place that has it: as in V17, now that there are two kinds of places.
DROP TRIGGER use_ends ON public.file_uses;
SET LOCAL ROLE fynq_jobs;
DROP FUNCTION fynq.use_ends();
RESET ROLE;
CREATE FUNCTION fynq.use_ends() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Of two that end at once the second one looks when the first is over.
    PERFORM FROM public.files f WHERE f.id = OLD.file_id FOR UPDATE;
    DELETE FROM public.files f
    WHERE f.id = OLD.file_id AND NOT EXISTS (SELECT FROM public.file_uses u WHERE u.file_id = f.id)
      AND NOT EXISTS (SELECT FROM public.content_files a WHERE a.file_id = f.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER use_ends AFTER DELETE ON public.file_uses FOR EACH ROW EXECUTE FUNCTION fynq.use_ends();
CREATE TRIGGER use_ends AFTER DELETE ON public.content_files FOR EACH ROW EXECUTE FUNCTION fynq.use_ends();

REVOKE ALL ON FUNCTION fynq.attach_files(uuid, uuid[], uuid[]), fynq.pages_follow(), fynq.reading_ends(),
    fynq.files_stay(), fynq.use_ends() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.attach_files(uuid, uuid[], uuid[]) TO fynq_user;
GRANT CREATE ON SCHEMA fynq TO fynq_jobs;
ALTER FUNCTION fynq.attach_files(uuid, uuid[], uuid[]) OWNER TO fynq_jobs;
ALTER FUNCTION fynq.pages_follow() OWNER TO fynq_jobs;
ALTER FUNCTION fynq.reading_ends() OWNER TO fynq_jobs;
ALTER FUNCTION fynq.files_stay() OWNER TO fynq_jobs;
ALTER FUNCTION fynq.use_ends() OWNER TO fynq_jobs;
REVOKE CREATE ON SCHEMA fynq FROM fynq_jobs;

-- As in V20; a storage that is away for a quarter of an hour is no reason to give a document up.
CREATE OR REPLACE FUNCTION fynq.document_arrived() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM fynq.enqueue_task(
        NEW.id, 'document_parse', NEW.org_id, NEW.owner_id, jsonb_build_object('file', NEW.id),
        'document_parse:' || NEW.id, now(), 0::smallint, 8
    );
    RETURN NULL;
END
$$;
