INSERT INTO socket_tickets (hash, user_id, sign_in_id, origin, token_expires_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
