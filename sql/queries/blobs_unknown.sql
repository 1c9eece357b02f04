-- Which of these keys no row names. A preview's begins with its file's; so may a text's.
SELECT k.key
FROM unnest($1::text[]) AS k (key)
WHERE NOT EXISTS (
    SELECT FROM files f
    WHERE f.key = split_part(k.key, '.', 1) AND k.key IN (f.key, f.preview_key, f.text_key)
) AND NOT EXISTS (SELECT FROM files f WHERE f.text_key = k.key)
