-- A task for each session that went quiet before $2, not before $3, and came further than its summary: as many
-- as there are ids in $1.
SELECT fynq.enqueue_task(
    gen.id, 'session_summary', q.org_id, NULL, jsonb_build_object('session', q.id, 'upto', q.upto),
    'session_summary:' || q.id || ':' || q.upto, now(), (-10)::smallint, 3
)
FROM (
    SELECT s.id, s.org_id, m.upto, row_number() OVER (ORDER BY s.updated_at, s.id) AS place
    FROM sessions s
    CROSS JOIN LATERAL (
        SELECT max(m.ord) AS upto
        FROM messages m
        WHERE m.session_id = s.id AND m.status NOT IN ('queued', 'streaming') AND NOT m.superseded
    ) m
    LEFT JOIN session_summaries y ON y.session_id = s.id
    WHERE s.updated_at < $2 AND s.updated_at >= $3 AND m.upto > coalesce(y.upto, 0)
      AND NOT EXISTS (
          SELECT FROM tasks t WHERE t.unique_key = 'session_summary:' || s.id || ':' || m.upto
      )
    LIMIT cardinality($1::uuid[])
) q
JOIN unnest($1::uuid[]) WITH ORDINALITY AS gen (id, place) ON gen.place = q.place
