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
    CREATE FUNCTION storage.operation() RETURNS text LANGUAGE plpgsql STABLE
        AS $$ BEGIN RETURN current_setting('storage.operation', true); END $$;
    GRANT USAGE ON SCHEMA storage TO anon, authenticated;
    GRANT ALL ON storage.objects TO anon, authenticated;
";

/// What fynq does with a blob, in Supabase's words.
const PUT: &str = "storage.s3.upload";
const GET: &str = "storage.s3.object.get";

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

    /// As Supabase's storage does it for somebody's token; their sign-in has their own id.
    async fn asks(&self, role: &str, who: Uuid, operation: &str, statement: &str) -> Came {
        let claims = format!("{{\"sub\":\"{who}\",\"role\":\"{role}\",\"session_id\":\"{who}\"}}");
        let opening = format!(
            "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', '{claims}', true), \
             set_config('storage.operation', '{operation}', true)"
        );
        self.sql.batch_execute(&opening).await.unwrap();
        let came = self.sql.query_typed(statement, &[]).await;
        self.sql.batch_execute(if came.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
        came.map(|rows| rows.len()).map_err(|error| error.code().expect("PostgreSQL says why").clone())
    }

    async fn puts(&self, who: Uuid, bucket: &str, key: &str) -> Came {
        self.puts_by(PUT, who, bucket, key).await
    }

    async fn puts_by(&self, operation: &str, who: Uuid, bucket: &str, key: &str) -> Came {
        let upsert = format!(
            "INSERT INTO storage.objects (bucket_id, name, owner_id, version) \
             VALUES ('{bucket}', '{key}', '{who}', '1') \
             ON CONFLICT (name, bucket_id) DO UPDATE SET version = EXCLUDED.version RETURNING *"
        );
        self.asks("authenticated", who, operation, &upsert).await
    }

    async fn sees(&self, who: Uuid, key: &str) -> bool {
        self.sees_by(GET, who, key).await
    }

    async fn sees_by(&self, operation: &str, who: Uuid, key: &str) -> bool {
        let select =
            format!("SELECT version FROM storage.objects WHERE name = '{key}' AND bucket_id = 'fynq'");
        self.asks("authenticated", who, operation, &select).await.unwrap() == 1
    }

    async fn deletes(&self, who: Uuid, key: &str) -> Came {
        let delete = format!("DELETE FROM storage.objects WHERE name = '{key}' AND bucket_id = 'fynq'");
        self.asks("authenticated", who, "storage.s3.object.delete", &format!("{delete} RETURNING *")).await
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
async fn a_bucket_takes_what_a_row_awaits_shows_what_one_sees_and_lets_nothing_go() {
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
    bucket.store.file_arrived(ada, file, PICTURE).await.unwrap().unwrap();
    // What is there stands, and is seen by those who see the row.
    assert_eq!(bucket.puts(ada, "fynq", &key).await, REFUSED);
    for name in [&key, &preview] {
        let seen =
            (bucket.sees(ada, name).await, bucket.sees(bob, name).await, bucket.sees(admin, name).await);
        assert_eq!(seen, (true, false, true), "{name}");
    }
    let all = bucket.asks("anon", ada, GET, "SELECT FROM storage.objects").await;
    assert_eq!(all, Ok(0), "the anon key alone");
    // It is the server's to delete, before and after its row has given it up.
    for who in [ada, bob, admin] {
        assert_eq!(bucket.deletes(who, &key).await, Ok(0));
    }
    assert!(bucket.store.delete_file(ada, file).await.unwrap());
    for who in [ada, admin] {
        assert!(!bucket.sees(who, &key).await);
        assert_eq!(bucket.deletes(who, &key).await, Ok(0));
    }
    bucket.store.close().await;
}

/// Whatever else Supabase's storage can do, nobody does with fynq's bucket: no list, no address for years.
#[tokio::test]
async fn a_bucket_does_what_fynq_asks_of_it_and_nothing_else() {
    let bucket = Bucket::new().await;
    let ada = add_student(&bucket.sql).await;
    let (_, key) = bucket.awaits(ada).await;
    for operation in [
        PUT,
        "storage.s3.upload.create_multipart",
        "storage.s3.upload.part",
        "storage.s3.upload.complete_multipart",
        "storage.s3.upload.abort_multipart",
        // As older ones say it.
        "s3.upload",
    ] {
        let (_, key) = bucket.awaits(ada).await;
        assert_eq!(bucket.puts_by(operation, ada, "fynq", &key).await, Ok(1), "{operation}");
    }
    assert_eq!(bucket.puts(ada, "fynq", &key).await, Ok(1));
    assert!(bucket.sees_by("s3.object.get", ada, &key).await);
    let (_, awaited) = bucket.awaits(ada).await;
    for operation in [
        "",
        "storage.object.list",
        "storage.object.list_v2",
        "storage.object.sign",
        "storage.object.sign_many",
        "storage.object.sign_upload_url",
        "storage.object.upload",
        "storage.object.upload_update",
        "storage.object.get_authenticated",
        "storage.object.copy",
        "storage.object.move",
        "storage.render.image_authenticated",
        "storage.s3.object.list",
        "storage.s3.object.copy",
        "storage.s3.object.delete",
        "storage.s3.upload.part_copy",
    ] {
        assert!(!bucket.sees_by(operation, ada, &key).await, "{operation}");
        let all = bucket.asks("authenticated", ada, operation, "SELECT FROM storage.objects").await;
        assert_eq!(all, Ok(0), "{operation}");
        assert_eq!(bucket.puts_by(operation, ada, "fynq", &awaited).await, REFUSED, "{operation}");
    }
    assert_eq!(bucket.puts_by(GET, ada, "fynq", &awaited).await, REFUSED, "reading writes nothing");
    bucket.store.close().await;
}

/// A token of Supabase's is good for an hour; signed out is signed out.
#[tokio::test]
async fn a_token_of_a_sign_in_that_has_ended_is_worth_nothing() {
    let bucket = Bucket::new().await;
    let (ada, bob) = (add_student(&bucket.sql).await, add_student(&bucket.sql).await);
    let sign_ins = format!(
        "INSERT INTO sign_ins (id, user_id, created_at, ended_at) VALUES \
         ('{ada}', '{ada}', now(), NULL), (gen_random_uuid(), '{ada}', now(), now()), ('{bob}', '{bob}', now(), now())"
    );
    bucket.sql.batch_execute(&sign_ins).await.unwrap();
    let ((_, hers), (_, next)) = (bucket.awaits(ada).await, bucket.awaits(ada).await);
    assert_eq!(bucket.puts(ada, "fynq", &hers).await, Ok(1), "another sign-in of hers has ended");
    assert!(bucket.sees(ada, &hers).await);
    let (_, his) = bucket.awaits(bob).await;
    assert_eq!(bucket.puts(bob, "fynq", &his).await, REFUSED);
    let end = format!("UPDATE sign_ins SET ended_at = now() WHERE id = '{ada}'");
    bucket.sql.batch_execute(&end).await.unwrap();
    assert!(!bucket.sees(ada, &hers).await);
    assert_eq!(bucket.puts(ada, "fynq", &next).await, REFUSED);
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
        "SELECT fynq.has_rights()".into(),
        "SELECT FROM public.files".into(),
        "SELECT FROM public.gone_blobs".into(),
    ] {
        assert_eq!(bucket.asks("authenticated", ada, GET, &statement).await, REFUSED, "{statement}");
    }
    // A person's own transaction of ours may ask, and gets the same answers.
    let asked = format!("SELECT 1 WHERE fynq.blob_awaited('{key}') AND fynq.blob_seen('{key}')");
    assert_eq!(bucket.asks("fynq_user", ada, GET, &asked).await, Ok(1));
    let disabled = format!("UPDATE users SET disabled_at = now() WHERE id = '{ada}'");
    bucket.sql.batch_execute(&disabled).await.unwrap();
    assert_eq!(bucket.puts(ada, "fynq", &key).await, REFUSED);
    bucket.store.close().await;
}
