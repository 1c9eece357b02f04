SELECT y.session_id, y.text, y.model, y.created_at FROM session_summaries y WHERE y.session_id = $1
