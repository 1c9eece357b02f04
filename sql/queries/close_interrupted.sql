UPDATE messages SET status = 'interrupted', error = 'interrupted'
WHERE status = 'streaming'
