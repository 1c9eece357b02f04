-- Longer leases for those who still hold: whose row does not come back, holds nothing any more.
UPDATE tasks t
SET lease_until = now() + make_interval(secs => $4), progress = greatest(t.progress, h.progress)
FROM unnest($1::uuid[], $2::int8[], $3::float4[]) AS h (id, lease, progress)
WHERE t.id = h.id AND t.lease = h.lease AND t.status = 'running'
RETURNING t.id, t.cancel_asked
