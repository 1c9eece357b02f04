SELECT fynq.enqueue_task($1, $2, $3, $4, $5, $6, now(), $7, $8)
