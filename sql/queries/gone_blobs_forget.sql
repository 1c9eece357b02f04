DELETE FROM gone_blobs WHERE key = ANY ($1)
