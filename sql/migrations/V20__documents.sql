-- The words of documents are read in the background: a file that has arrived and has words asks for it itself,
-- in the transaction in which it arrives. The task has the file's id, so whoever has the one knows the other.

CREATE FUNCTION fynq.document_arrived() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM fynq.enqueue_task(
        NEW.id, 'document_parse', NEW.org_id, NEW.owner_id, jsonb_build_object('file', NEW.id),
        'document_parse:' || NEW.id, now(), 0::smallint, 3
    );
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION fynq.document_arrived() FROM PUBLIC;
CREATE TRIGGER document_arrived AFTER UPDATE OF state ON public.files
    FOR EACH ROW
    WHEN (OLD.state = 'arriving' AND NEW.state = 'ready'
        AND (NEW.media_type = 'application/pdf' OR NEW.media_type LIKE 'application/vnd.%'))
    EXECUTE FUNCTION fynq.document_arrived();

GRANT UPDATE (text_key, pages) ON public.files TO fynq_jobs;
