-- What the policies of a bucket of Supabase's ask (`storage.objects`; docs/supabase.md has them), where people come
-- to it with their own tokens. Who asks says auth.uid(); a blob is named by its key, without the bucket's prefix.
-- Both run as fynq_user, so that the policies of `files` answer and nothing here repeats them.

-- Whether somebody has rights at all: whoever is disabled has no organisation, and a token of Supabase's outlives the
-- sign-in that was ended here.
CREATE FUNCTION fynq.has_rights() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT fynq.my_org() IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.sign_ins s
        WHERE s.ended_at IS NOT NULL
            AND s.id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'session_id')::uuid
    )
$$;

-- Whether a row of their own awaits it.
CREATE FUNCTION fynq.blob_awaited(blob text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT fynq.has_rights() AND EXISTS (
        SELECT FROM public.files f
        WHERE f.key = split_part(blob, '.', 1) AND blob IN (f.key, f.preview_key)
            AND f.state = 'arriving' AND f.owner_id = auth.uid()
    )
$$;

-- Whether they see the row that names it.
CREATE FUNCTION fynq.blob_seen(blob text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT fynq.has_rights() AND EXISTS (
        SELECT FROM public.files f
        WHERE f.key = split_part(blob, '.', 1) AND blob IN (f.key, f.preview_key, f.text_key)
    )
$$;

REVOKE ALL ON FUNCTION fynq.has_rights(), fynq.blob_awaited(text), fynq.blob_seen(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fynq.has_rights() TO fynq_user;
-- Called by policies alone: without USAGE of the schema nobody can name them.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
        GRANT EXECUTE ON FUNCTION fynq.blob_awaited(text), fynq.blob_seen(text) TO authenticated;
    END IF;
END
$$;
GRANT CREATE ON SCHEMA fynq TO fynq_user;
ALTER FUNCTION fynq.blob_awaited(text) OWNER TO fynq_user;
ALTER FUNCTION fynq.blob_seen(text) OWNER TO fynq_user;
REVOKE CREATE ON SCHEMA fynq FROM fynq_user;
