-- What the policies of a bucket of Supabase's ask (`storage.objects`; docs/supabase.md has them), where people come
-- to it with their own tokens. Who asks says auth.uid(); a blob is named by its key, without the bucket's prefix.
-- Two of the three run as fynq_user, so that the policies of `files` answer and nothing here repeats them. Whoever
-- is disabled has no organisation.

-- Whether a row of their own awaits it.
CREATE FUNCTION fynq.blob_awaited(blob text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT fynq.my_org() IS NOT NULL AND EXISTS (
        SELECT FROM public.files f
        WHERE f.key = split_part(blob, '.', 1) AND blob IN (f.key, f.preview_key)
            AND f.state = 'arriving' AND f.owner_id = auth.uid()
    )
$$;

-- Whether they see the row that names it.
CREATE FUNCTION fynq.blob_seen(blob text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT fynq.my_org() IS NOT NULL AND EXISTS (
        SELECT FROM public.files f
        WHERE f.key = split_part(blob, '.', 1) AND blob IN (f.key, f.preview_key, f.text_key)
    )
$$;

-- Whether it was theirs and no row names it any more.
CREATE FUNCTION fynq.blob_given_up(blob text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT split_part(blob, '/', 1) = auth.uid()::text
        AND EXISTS (SELECT FROM public.gone_blobs g WHERE g.key = blob)
$$;

REVOKE ALL ON FUNCTION fynq.blob_awaited(text), fynq.blob_seen(text), fynq.blob_given_up(text) FROM PUBLIC;
-- Called by policies alone: without USAGE of the schema nobody can name them.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
        GRANT EXECUTE ON FUNCTION fynq.blob_awaited(text), fynq.blob_seen(text), fynq.blob_given_up(text)
            TO authenticated;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA auth TO fynq_jobs;
GRANT EXECUTE ON FUNCTION auth.uid() TO fynq_jobs;
GRANT CREATE ON SCHEMA fynq TO fynq_user, fynq_jobs;
ALTER FUNCTION fynq.blob_awaited(text) OWNER TO fynq_user;
ALTER FUNCTION fynq.blob_seen(text) OWNER TO fynq_user;
ALTER FUNCTION fynq.blob_given_up(text) OWNER TO fynq_jobs;
REVOKE CREATE ON SCHEMA fynq FROM fynq_user, fynq_jobs;
