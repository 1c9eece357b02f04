-- What was read of a file that is still the same.
UPDATE files f
SET text_key = n.it ->> 'text_key', pages = coalesce((n.it ->> 'pages')::integer, f.pages)
FROM (SELECT $1::jsonb AS it) n
WHERE f.id = (n.it ->> 'file')::uuid AND f.key = n.it ->> 'key' AND f.state = 'ready'
