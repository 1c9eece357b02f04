-- Ids of commands without a message of their own (a stop, a repetition, a raised hand) that took
-- effect, the newest first: a client that comes back after a restart may send one again. A column and
-- no table: it is read with the row whenever a session wakes, and the update is HOT.
ALTER TABLE sessions ADD COLUMN done uuid[] NOT NULL DEFAULT '{}';
