-- Sessions in which a file was sent, of those that one sees.
SELECT u.session_id FROM file_uses u WHERE u.file_id = $1 ORDER BY u.session_id DESC LIMIT 20
