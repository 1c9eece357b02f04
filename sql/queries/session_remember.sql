UPDATE sessions SET done = (array_prepend($2::uuid, done))[1:$3::int] WHERE id = $1
