DELETE FROM refresh_tokens WHERE expires_at < $1
