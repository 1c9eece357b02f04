-- Whose organisation it is, is looked up where nobody said. Without RETURNING and without a conflict's
-- target: who writes here may not read. Written twice, after a commit of unknown outcome, it is there once.
INSERT INTO audit
    (id, at, org_id, event, actor_id, subject_kind, subject_id, about_id, address, request_id, detail, closes)
SELECT n.id, n.at,
       coalesce(n.org_id, (SELECT u.org_id FROM users u WHERE u.id = coalesce(n.actor_id, n.about_id))),
       n.event, n.actor_id, n.subject_kind, n.subject_id, n.about_id, n.address, n.request_id, n.detail, n.closes
FROM unnest(
    $1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[],
    $9::inet[], $10::text[], $11::jsonb[], $12::uuid[]
) AS n (
    id, at, org_id, event, actor_id, subject_kind, subject_id, about_id, address, request_id, detail, closes
)
ON CONFLICT DO NOTHING
