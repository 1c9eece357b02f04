-- The whole of the writer's batch as one call: one statement is one transaction and one round trip,
-- and its plans stay in the connection, whoever's turn it is there. Each array is one column.
--
-- The settings below are what keeps the plans. The planner cannot know how many rows an array holds, takes
-- plans made for the arrays of the moment to be cheaper, and would make them anew for every batch: that was
-- half of what a batch cost. And a plan made while the tables were small would read them from end to end
-- until statistics come. All rows are found by their key.

CREATE FUNCTION write_batch(
    -- Rows that are there already are no error; that costs a fifth more.
    again      boolean,
    -- New messages.
    i_session  uuid[], i_id uuid[], i_ord bigint[], i_run uuid[], i_role text[], i_author uuid[],
    i_kind     text[], i_content text[], i_status text[], i_edits uuid[], i_created timestamptz[],
    -- Messages' states.
    u_session  uuid[], u_id uuid[], u_content text[], u_status text[], u_reason text[],
    u_error    text[], u_usage jsonb[], u_model text[],
    -- Queued messages whose run begins.
    b_session  uuid[], b_id uuid[], b_ord bigint[],
    -- Of each session, the conversation from one place on, up to where what takes its place begins.
    s_session  uuid[], s_first bigint[], s_before bigint[],
    -- Sessions that were active.
    t_session  uuid[], t_at timestamptz[], t_title text[],
    -- Hands.
    h_session  uuid[], h_raised boolean[]
) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
BEGIN
    -- Whoever waits longer for a lock may as well wait for the next attempt.
    PERFORM set_config('lock_timeout', '6000', true);
    IF cardinality(i_id) > 0 AND again THEN
        INSERT INTO messages
            (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
        SELECT * FROM unnest(
            i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits, i_created
        )
        ON CONFLICT (session_id, id) DO NOTHING;
    ELSIF cardinality(i_id) > 0 THEN
        INSERT INTO messages
            (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
        SELECT * FROM unnest(
            i_session, i_id, i_ord, i_run, i_role, i_author, i_kind, i_content, i_status, i_edits, i_created
        );
    END IF;
    IF cardinality(u_id) > 0 THEN
        UPDATE messages m
        SET content = n.content, status = n.status, finish_reason = n.finish_reason, error = n.error,
            usage = n.usage, model = n.model
        FROM unnest(u_session, u_id, u_content, u_status, u_reason, u_error, u_usage, u_model)
            AS n (session_id, id, content, status, finish_reason, error, usage, model)
        WHERE m.session_id = n.session_id AND m.id = n.id
          -- A starting fynq presumes open answers dead. One that lived on, in a process that was just
          -- being replaced, has an end of its own: that one counts.
          AND (
              m.status = 'streaming'
              OR (m.status = 'interrupted' AND n.status NOT IN ('streaming', 'interrupted'))
          );
    END IF;
    IF cardinality(b_id) > 0 THEN
        UPDATE messages m SET status = 'complete', ord = n.ord
        FROM unnest(b_session, b_id, b_ord) AS n (session_id, id, ord)
        WHERE m.session_id = n.session_id AND m.id = n.id AND m.status = 'queued';
    END IF;
    IF cardinality(s_session) > 0 THEN
        -- What still waits for its run was said after all of it.
        UPDATE messages m SET superseded = true
        FROM unnest(s_session, s_first, s_before) AS n (session_id, first, before)
        WHERE m.session_id = n.session_id AND m.ord >= n.first AND m.ord < n.before
          AND m.status <> 'queued' AND NOT m.superseded;
    END IF;
    IF cardinality(t_session) > 0 THEN
        UPDATE sessions s
        SET updated_at = greatest(s.updated_at, n.at), title = coalesce(s.title, n.title)
        FROM unnest(t_session, t_at, t_title) AS n (id, at, title)
        WHERE s.id = n.id;
    END IF;
    IF cardinality(h_session) > 0 THEN
        UPDATE sessions s SET hand_raised = n.raised
        FROM unnest(h_session, h_raised) AS n (id, raised)
        WHERE s.id = n.id AND s.hand_raised <> n.raised;
    END IF;
END
$$;

-- An answer is compressed each time it is written: lz4 costs a fifth of pglz. Not every server has it.
DO $$
BEGIN
    ALTER TABLE messages ALTER COLUMN content SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- What waits for its run has its place behind everything, from 2^62 on.
UPDATE messages SET ord = ord + (1::bigint << 62) WHERE status = 'queued' AND ord < (1::bigint << 62);
