-- What was counted for somebody, or for longer ago than anybody asks.
DELETE FROM quota_use WHERE subject = $1 OR starts < $2
