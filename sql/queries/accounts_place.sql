-- Where a new account would belong: to the class of the join code $1, or to the organisation of those who
-- have none.
SELECT o.name AS organisation, c.name AS class
FROM (SELECT 1) AS one
LEFT JOIN classes c ON c.join_code = $1
JOIN organisations o ON o.id = coalesce(c.org_id, '00000000-0000-7000-8000-000000000001')
