//! Migrations, and that the statements fit the schema that they make.

use fynq::store::{Address, Store, migrate};

use crate::support::pg::{Db, settings_for};

fn address(url: &str) -> Address {
    Address::parse(url, None).unwrap()
}

#[tokio::test]
async fn every_statement_prepares_against_the_schema() {
    let db = Db::new().await;
    let client = db.client().await;
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/queries");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let sql = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = client.prepare(&sql).await {
            panic!("{}: {error:?}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 20, "{seen} statements only");
}

/// The planner, left to itself, would read tables from end to end that were small when it planned.
#[tokio::test]
async fn a_batch_finds_its_rows_by_their_key() {
    let db = Db::new().await;
    let mut client = db.client().await;
    let call = client.transaction().await.unwrap();
    let new = ["'{}'"; 11].join(", ");
    let many = |value: &str| format!("array_fill({value}, array[300])");
    let [text, state, no_text] = [many("'text'::text"), many("'streaming'::text"), many("null::text")];
    let (no_json, now, yes, ord) = (many("null::jsonb"), many("now()"), many("true"), many("1::bigint"));
    let batch = format!(
        "SELECT write_batch(false, NULL, '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', {new}, \
         ids, ids, {text}, {state}, {no_text}, {no_text}, {no_json}, {no_text}, \
         ids, ids, {ord}, ids, {ord}, {ord}, ids, {now}, {no_text}, ids, {yes}, ids, ids, ids) \
         FROM (SELECT array_agg(gen_random_uuid()) AS ids FROM generate_series(1, 300)) AS made"
    );
    call.batch_execute(&batch).await.unwrap();
    let read = "SELECT sum(seq_scan)::bigint, sum(idx_scan)::bigint FROM pg_stat_xact_user_tables \
                WHERE relname IN ('messages', 'sessions', 'files', 'file_uses')";
    let read = call.query_typed(read, &[]).await.unwrap();
    let (whole, by_key): (i64, i64) = (read[0].get(0), read[0].get(1));
    assert_eq!(whole, 0, "tables were read from end to end");
    assert!(by_key >= 1200, "{by_key} rows were looked up");
}

/// Whoever signs in and every ticket asks for it: the planner has to put it into the statement.
#[tokio::test]
async fn whether_a_consent_is_asked_costs_no_call() {
    let db = Db::new().await;
    let client = db.client().await;
    let ticket = include_str!("../../../sql/queries/accounts_ticket_redeem.sql").replace("$1", "''::bytea");
    let standing = include_str!("../../../sql/queries/accounts_standing.sql").replace("$1", "'{}'::uuid[]");
    for sql in [ticket, standing] {
        client.batch_execute("BEGIN; SET LOCAL ROLE fynq_door").await.unwrap();
        let plan = client.query_typed(&format!("EXPLAIN (VERBOSE) {sql}"), &[]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("consent_below") && !plan.contains("needs_consent"), "{plan}");
    }
}

#[tokio::test]
async fn several_at_once_migrate_once() {
    let db = Db::empty().await;
    let url = db.url();
    let address = address(url);
    let (a, b, c) = tokio::join!(migrate::run(&address), migrate::run(&address), migrate::run(&address));
    let mut ran = [a.unwrap(), b.unwrap(), c.unwrap()];
    ran.sort_unstable();
    assert_eq!(ran[..2], [0, 0]);
    assert!(ran[2] >= 2, "{ran:?}");
    let client = db.client().await;
    assert_eq!(migrate::inspect(&client).await.unwrap(), migrate::Schema::Current);
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_a_sentence() {
    let db = Db::new().await;
    let insert = "INSERT INTO refinery_schema_history VALUES (9999, 'later', '2030-01-01T00:00:00Z', '1')";
    db.client().await.batch_execute(insert).await.unwrap();
    let refused = Store::connect(&db.settings(), std::path::Path::new("/nowhere")).await.err().unwrap();
    let said = format!("{refused:#}");
    assert!(said.contains("version 9999") && said.contains("newer fynq"), "{said}");
}

#[tokio::test]
async fn a_migration_changed_afterwards_is_refused() {
    let db = Db::new().await;
    let update = "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1";
    db.client().await.batch_execute(update).await.unwrap();
    let refused = Store::connect(&db.settings(), std::path::Path::new("/nowhere")).await.err().unwrap();
    assert!(format!("{refused:#}").contains("V1__accounts was changed"), "{refused:#}");
}

#[tokio::test]
async fn a_role_that_is_not_the_owner_sees_nothing() {
    let db = Db::new().await;
    let client = db.client().await;
    let open = "SELECT relname::text FROM pg_class \
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity";
    let open: Vec<String> =
        client.query_typed(open, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(open.is_empty(), "without row level security: {open:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let settings = settings_for("postgres://me:hunter2@127.0.0.1:1/tutor");
    let begun = std::time::Instant::now();
    tokio::time::pause();
    let refused = Store::connect(&settings, std::path::Path::new("/nowhere")).await.err().unwrap();
    let said = format!("{refused:#}");
    assert!(said.contains("127.0.0.1:1/tutor") && !said.contains("hunter2"), "{said}");
    assert!(begun.elapsed().as_secs() < 5, "the waiting is tokio's, which is paused");
}
