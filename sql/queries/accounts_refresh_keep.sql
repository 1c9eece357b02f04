-- A refresh token of Supabase's, so that its end can end the sign-in that it belongs to.
INSERT INTO refresh_tokens (hash, sign_in_id, created_at, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (hash) DO NOTHING
