SELECT pg_notify('fynq_tasks', $1)
