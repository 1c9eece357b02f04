SELECT w.task, w.resets FROM fynq.ask_for_worksheet($1, $2, $3) AS w
