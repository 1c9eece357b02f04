-- All pages of a file are there, if it is still attached as it was when this task was made.
WITH n AS (SELECT $1::jsonb AS it), read AS (
    UPDATE content_files h
    SET reading = 'read', read_pages = (n.it ->> 'read_pages')::integer, cut = (n.it ->> 'cut')::boolean
    FROM n
    WHERE h.file_id = (n.it ->> 'file')::uuid AND h.task = (n.it ->> 'task')::uuid
    RETURNING h.file_id, h.read_pages
), beyond AS (
    -- Of an attempt that read more.
    DELETE FROM content_pages p USING read WHERE p.file_id = read.file_id AND p.page > read.read_pages
)
UPDATE files f SET pages = coalesce((n.it ->> 'pages')::integer, f.pages)
FROM n, read
WHERE f.id = read.file_id
