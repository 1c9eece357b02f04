-- Counts what an answer used whose session was deleted while it was given: its row has gone, and its end
-- would count it nowhere. Locked in the order of write_batch. Without quotas there is no row to count in.
WITH mine AS MATERIALIZED (
    SELECT q.subject, q.span, q.starts
    FROM quota_use q
    WHERE q.subject IN (SELECT whom.subject FROM fynq.charged($1) AS whom)
      AND ((q.span = 'day' AND q.starts = $3::date)
           OR (q.span = 'month' AND q.starts = date_trunc('month', $3::date)))
    ORDER BY q.subject, q.span
    FOR UPDATE
)
UPDATE quota_use q SET tokens = q.tokens + $2
FROM mine
WHERE q.subject = mine.subject AND q.span = mine.span AND q.starts = mine.starts
