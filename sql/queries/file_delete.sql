-- One's own file, unless it is attached to content. Where it was sent, that it was there is kept, and nothing else.
WITH sent AS (
    UPDATE files f SET state = 'deleted', name = '', size = 0, key = NULL, preview_key = NULL, text_key = NULL,
           width = NULL, height = NULL, pages = NULL, sha256 = NULL
    WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
      AND EXISTS (SELECT FROM file_uses u WHERE u.file_id = f.id)
    RETURNING f.id
), unsent AS (
    DELETE FROM files f
    WHERE f.id = $1 AND f.owner_id = $2 AND f.state = 'ready' AND NOT fynq.is_attached(f.id)
      AND NOT EXISTS (SELECT FROM file_uses u WHERE u.file_id = f.id)
    RETURNING f.id
)
SELECT EXISTS (SELECT FROM sent) OR EXISTS (SELECT FROM unsent) AS gone
