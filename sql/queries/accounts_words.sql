-- What others know of somebody, and a password should not be made of.
SELECT u.email, u.display_name, o.name AS organisation,
       array(
           SELECT c.name FROM class_members m JOIN classes c ON c.id = m.class_id WHERE m.user_id = u.id
       ) AS classes
FROM users u
JOIN organisations o ON o.id = u.org_id
WHERE u.id = $1
