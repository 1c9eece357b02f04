-- Pages from $3 on of the file that the task $1 reads, by its holder ($2): $4 are their words.
WITH held AS (
    SELECT t.id FROM tasks t WHERE t.id = $1 AND t.lease = $2 AND t.status = 'running' FOR SHARE
), of_file AS (
    -- Its language does not change meanwhile.
    SELECT h.file_id, h.language FROM content_files h JOIN held ON h.task = held.id FOR SHARE OF h
)
INSERT INTO content_pages (file_id, page, language, text)
SELECT f.file_id, $3 + n.place - 1, f.language, n.text
FROM of_file f
CROSS JOIN unnest($4::text[]) WITH ORDINALITY AS n (text, place)
ON CONFLICT (file_id, page) DO UPDATE SET language = excluded.language, text = excluded.text
