-- Blobs that no row names any more, the oldest first.
SELECT key FROM gone_blobs ORDER BY gone_at, key LIMIT $1
