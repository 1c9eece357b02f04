SELECT fynq.is_attached($1) AS attached
