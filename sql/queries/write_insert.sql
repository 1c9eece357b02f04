-- Fails when a row is there already; write_insert_again.sql does not, and costs a fifth more.
INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[],
    $7::text[], $8::text[], $9::text[], $10::uuid[], $11::timestamptz[]
)
