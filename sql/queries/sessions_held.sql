SELECT id FROM sessions WHERE control = 'tutor' ORDER BY id
