-- What the password of somebody who is signed in is checked against, once more.
SELECT email, password_hash FROM users WHERE id = $1 AND disabled_at IS NULL
