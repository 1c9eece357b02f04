-- Signals of the students of the class $2 but not $1 that began from $3 to $4, with what was said of that
-- kind on those sessions.
WITH shown AS (
    SELECT s.student_id, e.session_id, e.kind, e.why, e.started_at
    FROM classes c
    JOIN class_members b ON b.class_id = c.id AND b.member_as = 'student' AND b.user_id <> $1
    JOIN sessions s ON s.student_id = b.user_id AND s.org_id = c.org_id
    JOIN signal_events e ON e.session_id = s.id AND e.started_at >= $3 AND e.started_at < $4
    WHERE c.id = $2
), said AS (
    SELECT d.student_id, d.kind, count(*) FILTER (WHERE k.useful) AS useful,
           count(*) FILTER (WHERE NOT k.useful) AS not_useful
    FROM (SELECT DISTINCT student_id, session_id, kind FROM shown) d
    JOIN signal_marks k ON k.session_id = d.session_id AND k.kind = d.kind
    GROUP BY d.student_id, d.kind
)
SELECT shown.student_id, shown.kind, count(*) AS times, min(shown.started_at) AS first_at,
       (array_agg(shown.why ORDER BY shown.started_at))[1] AS why,
       coalesce(max(said.useful), 0) AS useful, coalesce(max(said.not_useful), 0) AS not_useful
FROM shown
LEFT JOIN said ON said.student_id = shown.student_id AND said.kind = shown.kind
GROUP BY shown.student_id, shown.kind
ORDER BY shown.student_id, shown.kind
