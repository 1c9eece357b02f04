//! Row level security, as the database holds it: who may touch what, whatever our code asks.

use fynq::store::{Address, NewSession, SessionsOf, Store, migrate};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{add_student, new_session};
use crate::support::pg::{Db, PrivatePg, connect, settings_for, with_user};

/// What runs as its owner whoever calls it.
const DEFINERS: &[&str] = &[
    "fynq.ask_for",
    "fynq.ask_for_study",
    "fynq.ask_for_worksheet",
    "fynq.attach_files",
    "fynq.begin_file",
    "fynq.blob_awaited",
    "fynq.blob_seen",
    "fynq.blobs_go",
    "fynq.classes_i_teach",
    "fynq.content_with",
    "fynq.files_stay",
    "fynq.i_may_write",
    "fynq.is_attached",
    "fynq.keep_version",
    "fynq.leave_class",
    "fynq.library_with",
    "fynq.my_classes",
    "fynq.my_org",
    "fynq.only_school",
    "fynq.org_i_run",
    "fynq.org_i_write_for",
    "fynq.pages_follow",
    "fynq.reading_ends",
    "fynq.remember_gone_user",
    "fynq.same_organisation",
    "fynq.students_i_teach",
    "fynq.use_ends",
    "fynq.worksheet_goes",
    "public.write_batch",
];

async fn names(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.query_typed(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Each rule as a question for what breaks it.
#[tokio::test]
async fn no_table_view_or_function_breaks_the_rules() {
    let db = Db::new().await;
    let client = db.client().await;
    let ours = "n.nspname IN ('public', 'fynq')";
    let class = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace";
    let rules = [
        (
            "without row level security",
            format!("{class} WHERE {ours} AND c.relkind IN ('r','p') AND NOT c.relrowsecurity"),
        ),
        (
            "the owner is not held",
            format!(
                "{class} WHERE {ours} AND c.relkind IN ('r','p') AND NOT c.relforcerowsecurity \
                 AND c.relname <> 'refinery_schema_history'"
            ),
        ),
        ("no policy can be put on it", format!("{class} WHERE {ours} AND c.relkind IN ('m','f')")),
        (
            "a view that runs as its owner",
            format!(
                "{class} WHERE {ours} AND c.relkind = 'v' \
                 AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)"
            ),
        ),
        (
            "owned by a role that serves",
            format!("{class} WHERE {ours} AND pg_get_userbyid(c.relowner) LIKE 'fynq\\_%'"),
        ),
        (
            "open to everybody",
            format!(
                "{class}, aclexplode(c.relacl) a WHERE {ours} AND (a.grantee = 0 \
                 OR pg_get_userbyid(a.grantee) IN ('anon', 'authenticated', 'service_role'))"
            ),
        ),
        (
            "granted to the login role",
            format!(
                "{class}, aclexplode(c.relacl) a WHERE {ours} AND pg_get_userbyid(a.grantee) = 'fynq_app' \
                 AND c.relname <> 'refinery_schema_history'"
            ),
        ),
        (
            "a policy for everybody",
            "SELECT tablename || '.' || policyname FROM pg_policies WHERE roles::text[] && ARRAY['public']"
                .into(),
        ),
        (
            "a function for everybody",
            format!(
                "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                 WHERE {ours} AND (p.proacl IS NULL OR EXISTS (\
                 SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))"
            ),
        ),
        (
            "a definer's function without its own search path",
            format!(
                "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                 WHERE {ours} AND p.prosecdef \
                 AND NOT coalesce(array_to_string(p.proconfig, ',') LIKE '%search_path=%pg_temp%', false)"
            ),
        ),
        (
            "a role that passes by",
            "SELECT rolname::text FROM pg_roles \
             WHERE rolname LIKE 'fynq\\_%' AND (rolsuper OR rolbypassrls OR rolinherit OR rolcreaterole)"
                .into(),
        ),
    ];
    for (what, sql) in rules {
        assert_eq!(names(&client, &sql).await, Vec::<String>::new(), "{what}");
    }
    let definers = "SELECT n.nspname || '.' || p.proname FROM pg_proc p \
                    JOIN pg_namespace n ON n.oid = p.pronamespace \
                    WHERE n.nspname IN ('public', 'fynq', 'auth') AND p.prosecdef ORDER BY 1";
    assert_eq!(names(&client, definers).await, DEFINERS, "the list of definers' functions");
}

/// What forgets its transaction gets nothing.
#[tokio::test]
async fn a_login_that_took_no_role_may_do_nothing() {
    let db = Db::new().await;
    let client = connect(&db.app_url()).await;
    let tables = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace \
                  AND c.relkind = 'r' AND c.relname <> 'refinery_schema_history'";
    let tables = names(&client, tables).await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables {
        for sql in [format!("SELECT FROM {table}"), format!("DELETE FROM {table}")] {
            let error = client.batch_execute(&sql).await.unwrap_err();
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error}");
        }
    }
    assert!(client.batch_execute("CREATE TABLE mine ()").await.is_err());
    // The history can be read, and nothing else.
    client.batch_execute("SELECT FROM refinery_schema_history").await.unwrap();
    assert!(client.batch_execute("DELETE FROM refinery_schema_history").await.is_err());
}

/// One connection serves both, in turns that nobody chose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_on_one_connection_see_their_own() {
    let db = Db::new().await;
    let mut settings = db.settings();
    settings.pool_size = 1;
    let store = Store::connect(&settings, std::path::Path::new("/nowhere")).await.unwrap();
    let sql = db.client().await;
    let org = SessionsOf::Organisation("00000000-0000-7000-8000-000000000001".parse().unwrap());
    let mut people = Vec::new();
    for _ in 0..2 {
        let student = add_student(&sql).await;
        people.push((student, new_session(&store, student).await));
    }
    // Few at once: whoever waits for the connection for long is told that there is none.
    let looks = (0..8).map(|n| {
        let (store, (student, session)) = (store.clone(), people[n % 2]);
        let foreign = people[(n + 1) % 2].1;
        tokio::spawn(async move {
            for _ in 0..25 {
                let page = store.list_sessions(student, org, None, None, 10).await.unwrap();
                assert_eq!(page.items.iter().map(|item| item.id).collect::<Vec<_>>(), [session]);
                assert!(store.get_session(student, foreign).await.unwrap().is_none());
                assert!(!store.delete_session(student, foreign).await.unwrap());
            }
        })
    });
    for look in looks.collect::<Vec<_>>() {
        look.await.unwrap();
    }
    store.close().await;
}

/// Not even a statement of our own that forgot its WHERE.
#[tokio::test]
async fn a_person_cannot_act_as_another_whatever_is_asked() {
    let db = Db::new().await;
    let store = super::open(&db.settings()).await;
    let sql = db.client().await;
    let (one, other) = (add_student(&sql).await, add_student(&sql).await);
    let foreign = new_session(&store, other).await;
    let client = connect(&db.app_url()).await;
    let as_one = format!(
        "BEGIN; SET LOCAL ROLE fynq_user; \
         SELECT set_config('request.jwt.claims', '{{\"sub\":\"{one}\",\"role\":\"admin\"}}', true)"
    );
    for (sql, refused) in [
        ("UPDATE users SET role = 'admin'".to_owned(), true),
        ("UPDATE users SET age_band = 'adult'".to_owned(), true),
        ("UPDATE organisations SET consent_below = 13".to_owned(), true),
        (format!("UPDATE users SET display_name = 'x' WHERE id = '{other}'"), false),
        ("SELECT password_hash FROM users".to_owned(), true),
        (format!("UPDATE sessions SET title = 'x' WHERE id = '{foreign}'"), false),
        (format!("UPDATE sessions SET student_id = '{one}' WHERE id = '{foreign}'"), true),
        (format!("DELETE FROM sessions WHERE id = '{foreign}'"), false),
        (
            format!(
                "INSERT INTO sessions (id, student_id, created_at, updated_at) VALUES (gen_random_uuid(), '{other}', now(), now())"
            ),
            true,
        ),
        ("UPDATE messages SET content = 'x'".to_owned(), true),
        (format!("INSERT INTO class_members VALUES (gen_random_uuid(), '{one}', 'tutor', now())"), true),
        ("SET LOCAL ROLE fynq_task; RESET ROLE; SELECT FROM users".to_owned(), true),
    ] {
        client.batch_execute(&as_one).await.unwrap();
        let done = client.simple_query(&sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        match done {
            Err(error) => {
                assert!(refused, "{sql}: {error}");
                assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {error}");
            }
            Ok(messages) => {
                assert!(!refused, "{sql} was taken");
                let rows: u64 = messages
                    .iter()
                    .filter_map(|message| match message {
                        tokio_postgres::SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
                        _ => None,
                    })
                    .sum();
                assert_eq!(rows, 0, "{sql} touched somebody's row");
            }
        }
    }
    store.close().await;
}

/// The owner that migrates need not be a superuser, and is held as well.
#[tokio::test]
async fn a_plain_owner_migrates_serves_and_sees_nothing_itself() {
    let db = Db::empty().await;
    let admin = db.client().await;
    let owner = format!("owner_{}", fynq::id::new().simple());
    let name: String = admin.query_typed_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    admin
        .batch_execute(&format!(
            "CREATE ROLE {owner} LOGIN CREATEROLE NOINHERIT; ALTER DATABASE {name} OWNER TO {owner}; \
             ALTER SCHEMA public OWNER TO {owner}"
        ))
        .await
        .unwrap();
    let url = with_user(db.url(), &owner);
    migrate::run(&Address::parse(&url, None).unwrap()).await.unwrap();
    assert!(!may_shadow_our_tables(&db.app_url()).await);
    let store = super::open(&settings_for(&url)).await;
    let student = add_student(&admin).await;
    let session = new_session(&store, student).await;
    assert!(store.get_session(student, session).await.unwrap().is_some());
    let client = connect(&url).await;
    for table in ["users", "sessions"] {
        let seen: i64 =
            client.query_typed_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(seen, 0, "the owner reads {table}");
    }
    let open = "SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                WHERE n.nspname IN ('public', 'fynq') AND (p.proacl IS NULL OR EXISTS (\
                SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0))";
    assert_eq!(names(&admin, open).await, Vec::<String>::new(), "functions for everybody");
    store.close().await;
    drop(client);
    admin
        .batch_execute(&format!(
            "REASSIGN OWNED BY {owner} TO CURRENT_USER; DROP OWNED BY {owner}; DROP ROLE {owner}"
        ))
        .await
        .unwrap();
}

/// One of ours by name would come before ours in every statement.
async fn may_shadow_our_tables(url: &str) -> bool {
    match connect(url).await.batch_execute("CREATE TEMPORARY TABLE users (id uuid)").await {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{error}");
            false
        }
    }
}

#[tokio::test]
async fn a_login_makes_no_temporary_table() {
    let db = Db::empty().await;
    migrate::run(&Address::parse(db.url(), None).unwrap()).await.unwrap();
    assert!(!may_shadow_our_tables(&db.app_url()).await);
    assert!(!may_shadow_our_tables(&Db::new().await.app_url()).await, "the tests' own databases");
    let private = PrivatePg::start().await;
    let address = Address::parse(private.url(), None).unwrap();
    migrate::run(&address).await.unwrap();
    migrate::open_login(&address).await.unwrap();
    assert!(!may_shadow_our_tables(&with_user(private.url(), migrate::LOGIN)).await, "the private server");
}

/// A right that is another's to take stays, and the migrations go on.
#[tokio::test]
async fn whoever_does_not_own_the_database_migrates_it_all_the_same() {
    let db = Db::empty().await;
    let admin = db.client().await;
    let guest = format!("guest_{}", fynq::id::new().simple());
    let name: String = admin.query_typed_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    admin
        .batch_execute(&format!(
            "CREATE ROLE {guest} LOGIN CREATEROLE NOINHERIT; GRANT CREATE ON DATABASE {name} TO {guest}; \
             ALTER SCHEMA public OWNER TO {guest}"
        ))
        .await
        .unwrap();
    migrate::run(&Address::parse(&with_user(db.url(), &guest), None).unwrap()).await.unwrap();
    assert!(may_shadow_our_tables(&db.app_url()).await);
    admin
        .batch_execute(&format!(
            "REASSIGN OWNED BY {guest} TO CURRENT_USER; DROP OWNED BY {guest}; DROP ROLE {guest}"
        ))
        .await
        .unwrap();
}

/// A session's own student, and whoever asks it to begin.
#[tokio::test]
async fn a_session_begins_in_its_students_organisation() {
    let db = Db::new().await;
    let store = super::open(&db.settings()).await;
    let sql = db.client().await;
    let student = add_student(&sql).await;
    sql.batch_execute(&format!(
        "INSERT INTO organisations VALUES ('00000000-0000-7000-8000-000000000002', 'Other', now()); \
         UPDATE users SET org_id = '00000000-0000-7000-8000-000000000002' WHERE id = '{student}'"
    ))
    .await
    .unwrap();
    store.create_session(NewSession { student_id: student, title: None, subject: None }).await.unwrap();
    let orgs = names(&sql, "SELECT org_id::text FROM sessions").await;
    assert_eq!(orgs, ["00000000-0000-7000-8000-000000000002"]);
    store.close().await;
}
