-- Whether the file with the digest $2 was imported into the organisation of $1, whoever did it.
SELECT EXISTS (
    SELECT FROM content c
    JOIN users u ON u.id = $1 AND u.org_id = c.org_id
    WHERE c.imported = $2
) AS known
