-- Signals that a process which is gone left open.
UPDATE signal_events SET ended_at = $1 WHERE ended_at IS NULL
