-- What began to arrive before $1 never will.
DELETE FROM files WHERE state = 'arriving' AND created_at < $1
