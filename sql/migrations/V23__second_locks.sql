-- Locks that were wider than what anybody does: what people may ask of workers, how they call it off, which blobs
-- a row may name. And a file that is sent and deleted at the same moment is one or the other.

-- ── Sending and deleting ────────────────────────────────────────────────────────────────────────────

-- A use holds its file until it is committed. A deletion that is under way is waited for: what is gone then is
-- used nowhere, and the message that names it is kept without it.
CREATE FUNCTION fynq.use_begins() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.files f WHERE f.id = NEW.file_id AND f.state = 'ready' FOR KEY SHARE;
    RETURN CASE WHEN FOUND THEN NEW END;
END
$$;
CREATE TRIGGER use_begins BEFORE INSERT ON public.file_uses
    FOR EACH ROW EXECUTE FUNCTION fynq.use_begins();
CREATE TRIGGER use_begins BEFORE INSERT ON public.content_files
    FOR EACH ROW EXECUTE FUNCTION fynq.use_begins();

-- Ends those of these files that whoever asks may end, and says how many. Of one that was sent stays that it was
-- there (`sent_too`), or it stays as it is; so does what is attached to content. Whoever sends or attaches one of
-- them right now is waited for, and each statement sees what was committed before it: so it is known here.
CREATE FUNCTION fynq.end_files(ids uuid[], sent_too boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended bigint;
    kept  bigint := 0;
BEGIN
    PERFORM FROM public.files f WHERE f.id = ANY (ids) ORDER BY f.id FOR UPDATE;
    DELETE FROM public.files f
    WHERE f.id = ANY (ids) AND NOT fynq.is_attached(f.id)
      AND NOT EXISTS (SELECT FROM public.file_uses u WHERE u.file_id = f.id);
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF sent_too THEN
        UPDATE public.files f SET state = 'deleted', name = '', size = 0, key = NULL, preview_key = NULL,
               text_key = NULL, width = NULL, height = NULL, pages = NULL, sha256 = NULL
        WHERE f.id = ANY (ids) AND f.state = 'ready' AND NOT fynq.is_attached(f.id);
        GET DIAGNOSTICS kept = ROW_COUNT;
    END IF;
    RETURN ended + kept;
END
$$;
REVOKE ALL ON FUNCTION fynq.use_begins(), fynq.end_files(uuid[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.end_files(uuid[], boolean) TO fynq_user, fynq_jobs;
SET LOCAL ROLE fynq_policy;
GRANT EXECUTE ON FUNCTION fynq.is_attached(uuid) TO fynq_jobs;
RESET ROLE;

-- ── Blobs ───────────────────────────────────────────────────────────────────────────────────────────

-- Whatever a row is told, it names blobs of its owner's folder, and beside its own no other file's.
ALTER TABLE public.files
    ADD CONSTRAINT files_key_is_own CHECK (key LIKE owner_id::text || '/%' AND strpos(key, '.') = 0) NOT VALID,
    ADD CONSTRAINT files_preview_is_beside CHECK (preview_key = key || '.preview') NOT VALID,
    ADD CONSTRAINT files_text_is_beside CHECK (text_key LIKE key || '.text%') NOT VALID;

-- ── What people ask of workers ──────────────────────────────────────────────────────────────────────

-- What a person's own transaction may put into the queue: the reading of a document of theirs that arrives. All
-- else is asked for by functions that look, and charge, as other roles; or by the workers themselves.
CREATE FUNCTION fynq.may_ask(kind text, payload jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN kind = 'document_parse' AND EXISTS (
        SELECT FROM public.files f
        WHERE payload = jsonb_build_object('file', f.id) AND f.id = (payload ->> 'file')::uuid
          AND f.owner_id = auth.uid() AND f.state = 'ready'
    );
END
$$;
REVOKE ALL ON FUNCTION fynq.may_ask(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.may_ask(text, jsonb) TO fynq_user;

-- Its key says what it is about, so that nobody takes the key of another's task or of a schedule's turn; and
-- nobody comes before others, or for ever.
DROP POLICY asked ON public.tasks;
CREATE POLICY asked ON public.tasks FOR INSERT TO fynq_user WITH CHECK (
    owner_id = (SELECT auth.uid()) AND org_id = (SELECT fynq.my_org()) AND status = 'queued'
    AND fynq.may_ask(kind, payload) AND priority <= 0 AND max_attempts <= 10
    AND (unique_key IS NULL OR unique_key = kind || ':' || (payload ->> 'file'))
);

-- What waits ends as called off, what runs is asked to end; nothing else.
DROP POLICY called_off ON public.tasks;
CREATE POLICY called_off ON public.tasks FOR UPDATE TO fynq_user
    USING (owner_id = (SELECT auth.uid()) AND status IN ('queued', 'running'))
    WITH CHECK (owner_id = (SELECT auth.uid()) AND (
        (status = 'cancelled' AND error = 'cancelled' AND NOT cancel_asked)
        OR (status = 'running' AND cancel_asked)
    ));
DROP POLICY directed ON public.tasks;
CREATE POLICY directed ON public.tasks FOR UPDATE TO fynq_admin
    USING (
        org_id = (SELECT fynq.org_i_run())
        OR (org_id IS NULL AND (SELECT fynq.org_i_run()) IS NOT NULL AND (SELECT fynq.only_school()))
    )
    WITH CHECK (
        (status = 'queued' AND NOT cancel_asked)
        OR (status = 'cancelled' AND error = 'cancelled' AND NOT cancel_asked)
        OR (status = 'running' AND cancel_asked)
    );
