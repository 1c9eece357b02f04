-- Observations and rosters that a crash left open, in a process that is gone. One that lived on, in a process that was
-- just being replaced, closes its own a moment later: the first word counts. As many at once as there are
-- ids in $1: ours, which carry their time of birth.
INSERT INTO audit (id, at, org_id, event, actor_id, subject_kind, subject_id, about_id, detail, closes)
SELECT gen.id, $2, o.org_id, replace(o.event, '_opened', '_closed'), o.actor_id, o.subject_kind, o.subject_id, o.about_id,
       jsonb_build_object('opened', o.id, 'end', 'interrupted'), o.id
FROM (
    SELECT a.*, row_number() OVER (ORDER BY a.id) AS place
    FROM audit a
    WHERE a.event IN ('observation_opened', 'roster_opened')
      AND NOT EXISTS (SELECT FROM audit c WHERE c.closes = a.id)
    ORDER BY a.id
    LIMIT cardinality($1::uuid[])
) o
JOIN unnest($1::uuid[]) WITH ORDINALITY AS gen (id, place) ON gen.place = o.place
ON CONFLICT DO NOTHING
