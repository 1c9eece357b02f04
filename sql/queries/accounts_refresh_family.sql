-- The sign-in of a refresh token of Supabase's.
SELECT r.sign_in_id
FROM refresh_tokens r
JOIN sign_ins s ON s.id = r.sign_in_id
WHERE r.hash = $1 AND s.external
