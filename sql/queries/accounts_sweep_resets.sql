DELETE FROM reset_codes WHERE expires_at < $1
