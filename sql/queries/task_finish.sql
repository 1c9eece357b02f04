SELECT fynq.finish_task($1)
