DELETE FROM socket_tickets WHERE expires_at < $1
