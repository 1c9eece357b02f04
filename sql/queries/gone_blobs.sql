-- Blobs that no row names any more, the oldest first; asked again, whatever was written down.
SELECT g.key FROM gone_blobs g
WHERE NOT EXISTS (
    SELECT FROM files f
    WHERE f.key = split_part(g.key, '.', 1) AND g.key IN (f.key, f.preview_key, f.text_key)
)
ORDER BY g.gone_at, g.key
LIMIT $1
