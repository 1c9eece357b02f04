SELECT fynq.ask_for_study($1, $2, $3, $4)
