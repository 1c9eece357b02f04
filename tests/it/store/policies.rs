//! The policies of docs/supabase.md for a bucket of Supabase's, on a table like its `storage.objects`.

use fynq::id::{self, Uuid};
use fynq::store::{Arrived, NewFile, Store};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::add_student;
use crate::support::pg::{PrivatePg, connect};

const MANUAL: &str = include_str!("../../../docs/supabase.md");

/// As Supabase has it, as far as its storage's statements and our policies touch it.
const STORAGE: &str = "
    CREATE SCHEMA storage;
    CREATE TABLE storage.objects (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), bucket_id text, name text, owner_id text, version text,
        UNIQUE (name, bucket_id)
    );
    ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
    GRANT USAGE ON SCHEMA storage TO anon, authenticated;
    GRANT ALL ON storage.objects TO anon, authenticated;
";

struct Bucket {
    store: Store,
    sql: Client,
    _pg: PrivatePg,
}

const PICTURE: Arrived<'_> =
    Arrived { name: "a.png", media_type: "image/png", size: 9, edges: Some((1, 1)), sha256: b"" };

/// What somebody's statement came to: its rows, or that it was refused.
type Came = Result<usize, SqlState>;
const REFUSED: Came = Err(SqlState::INSUFFICIENT_PRIVILEGE);

impl Bucket {
    async fn new() -> Bucket {
        let pg = PrivatePg::start().await;
        let sql = connect(pg.url()).await;
        sql.batch_execute("CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN").await.unwrap();
        let store = super::open(&pg.settings()).await;
        sql.batch_execute(STORAGE).await.unwrap();
        let policies = MANUAL.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
        sql.batch_execute(policies).await.unwrap();
        Bucket { store, sql, _pg: pg }
    }

    /// As Supabase's storage does it for somebody's token.
    async fn asks(&self, role: &str, who: Uuid, statement: &str) -> Came {
        let claims = format!("{{\"sub\":\"{who}\",\"role\":\"{role}\"}}");
        let opening = format!(
            "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', '{claims}', true)"
        );
        self.sql.batch_execute(&opening).await.unwrap();
        let came = self.sql.query_typed(statement, &[]).await;
        self.sql.batch_execute(if came.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
        came.map(|rows| rows.len()).map_err(|error| error.code().expect("PostgreSQL says why").clone())
    }

    async fn puts(&self, who: Uuid, bucket: &str, key: &str) -> Came {
        let upsert = format!(
            "INSERT INTO storage.objects (bucket_id, name, owner_id, version) \
             VALUES ('{bucket}', '{key}', '{who}', '1') \
             ON CONFLICT (name, bucket_id) DO UPDATE SET version = EXCLUDED.version RETURNING *"
        );
        self.asks("authenticated", who, &upsert).await
    }

    async fn sees(&self, who: Uuid, key: &str) -> bool {
        let select =
            format!("SELECT version FROM storage.objects WHERE name = '{key}' AND bucket_id = 'fynq'");
        self.asks("authenticated", who, &select).await.unwrap() == 1
    }

    async fn deletes(&self, who: Uuid, key: &str) -> Came {
        let delete =
            format!("DELETE FROM storage.objects WHERE name = '{key}' AND bucket_id = 'fynq' RETURNING *");
        self.asks("authenticated", who, &delete).await
    }

    /// A row that awaits its blobs: its id and its key.
    async fn awaits(&self, owner: Uuid) -> (Uuid, String) {
        let (file, key) = (id::new(), format!("{owner}/{}", id::new().simple()));
        let (of_user, of_org) = (1 << 30, None);
        let new = NewFile { id: file, owner, name: "", key: &key, room: 9, of_user, of_org };
        self.store.begin_file(new).await.unwrap();
        (file, key)
    }
}

#[tokio::test]
async fn a_bucket_takes_what_a_row_awaits_shows_what_one_sees_and_lets_go_what_was_given_up() {
    let bucket = Bucket::new().await;
    let (ada, bob) = (add_student(&bucket.sql).await, add_student(&bucket.sql).await);
    let admin = add_student(&bucket.sql).await;
    let sql = format!("UPDATE users SET role = 'admin' WHERE id = '{admin}'");
    bucket.sql.batch_execute(&sql).await.unwrap();
    let (file, key) = bucket.awaits(ada).await;
    let preview = format!("{key}.preview");
    let (arrived, there) = bucket.awaits(ada).await;
    bucket.store.file_arrived(ada, arrived, PICTURE).await.unwrap().unwrap();
    // While it arrives: its own two blobs, in its own bucket, by its owner, once.
    let mut taken = Vec::new();
    for (what, who, place, name) in [
        ("by another", bob, "fynq", key.clone()),
        ("by one who sees the row", admin, "fynq", key.clone()),
        ("elsewhere", ada, "other", key.clone()),
        ("of no row", ada, "fynq", format!("{ada}/0123")),
        ("of a row that has arrived", ada, "fynq", there),
        ("that is ours to make", ada, "fynq", format!("{key}.text")),
        ("in another folder", ada, "fynq", format!("x/{key}")),
    ] {
        if bucket.puts(who, place, &name).await != REFUSED {
            taken.push(what);
        }
    }
    assert_eq!(taken, Vec::<&str>::new());
    assert_eq!(bucket.puts(ada, "fynq", &key).await, Ok(1));
    assert_eq!(bucket.puts(ada, "fynq", &preview).await, Ok(1));
    assert_eq!(bucket.puts(ada, "fynq", &key).await, REFUSED, "nothing is replaced");
    assert_eq!(bucket.deletes(ada, &key).await, Ok(0), "it is awaited still");
    bucket.store.file_arrived(ada, file, PICTURE).await.unwrap().unwrap();
    // What is there stands, and is seen by those who see the row.
    assert_eq!(bucket.puts(ada, "fynq", &key).await, REFUSED);
    for name in [&key, &preview] {
        let seen =
            (bucket.sees(ada, name).await, bucket.sees(bob, name).await, bucket.sees(admin, name).await);
        assert_eq!(seen, (true, false, true), "{name}");
    }
    let all = bucket.asks("anon", ada, "SELECT FROM storage.objects").await;
    assert_eq!(all, Ok(0), "the anon key alone");
    // It is deleted after its row has given it up, by her alone.
    for who in [ada, bob, admin] {
        assert_eq!(bucket.deletes(who, &key).await, Ok(0));
    }
    assert!(bucket.store.delete_file(ada, file).await.unwrap());
    assert!(!bucket.sees(admin, &key).await);
    assert_eq!(bucket.deletes(bob, &key).await, Ok(0));
    assert_eq!(bucket.deletes(ada, &key).await, Ok(1));
    assert_eq!(bucket.deletes(ada, &preview).await, Ok(1));
    bucket.store.close().await;
}

#[tokio::test]
async fn a_token_gives_nothing_else_and_nothing_to_whoever_is_disabled() {
    let bucket = Bucket::new().await;
    let ada = add_student(&bucket.sql).await;
    let (_, key) = bucket.awaits(ada).await;
    for statement in [
        format!("SELECT fynq.blob_seen('{key}')"),
        format!("SELECT fynq.blob_awaited('{key}')"),
        "SELECT FROM public.files".into(),
        "SELECT FROM public.gone_blobs".into(),
    ] {
        assert_eq!(bucket.asks("authenticated", ada, &statement).await, REFUSED, "{statement}");
    }
    // A person's own transaction of ours may ask, and gets the same answers.
    let asked = format!("SELECT 1 WHERE fynq.blob_awaited('{key}') AND fynq.blob_seen('{key}')");
    assert_eq!(bucket.asks("fynq_user", ada, &asked).await, Ok(1));
    let disabled = format!("UPDATE users SET disabled_at = now() WHERE id = '{ada}'");
    bucket.sql.batch_execute(&disabled).await.unwrap();
    assert_eq!(bucket.puts(ada, "fynq", &key).await, REFUSED);
    bucket.store.close().await;
}
