-- Keeps room for a file of whoever asks; says whose quota has none.
SELECT fynq.begin_file($1, $2, $3, $4, $5, $6)
