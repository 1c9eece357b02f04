-- A sign-in goes when it has no refresh token left and is too old to have a living access token.
-- Those of Supabase's stay: their sessions go on without us, and one that was ended here must stay ended.
DELETE FROM sign_ins s
WHERE s.created_at < $1
  AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.sign_in_id = s.id)
  AND NOT s.external
