//! Committed messages a second through the writer, beside what COPY and one bare INSERT reach on
//! the same server, in interleaved rounds.
//!
//! `cargo bench --bench writer`. `DATABASE_URL` names the server (everything happens in a schema
//! of its own, dropped at the end); without it a durable private one is started. `ROUNDS` (3),
//! `SECS` a measurement (3), `BODY` bytes of text (600), `TASKS` (64) and requests of each task
//! that are on their way at once, `DEPTH` (32).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may as well panic")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use futures_util::future::join_all;
use futures_util::{SinkExt, pin_mut};
use fynq::clock;
use fynq::config::{self, Settings};
use fynq::id::{self, Uuid};
use fynq::protocol::{AuthorKind, MessageRole, Status};
use fynq::store::local::LocalPostgres;
use fynq::store::{NewMessage, NewSession, Op, Patience, Store};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

/// The rows alone: the limit to compare with.
const UNNEST: &str = "INSERT INTO messages \
    (session_id, id, ord, run_id, role, author_id, author_kind, content, status, edits, created_at) \
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[], \
    $7::text[], $8::text[], $9::text[], $10::uuid[], $11::timestamptz[])";

/// Rows of one COPY or one bare INSERT.
const ROWS: usize = 500;
const SESSIONS: usize = 1000;

struct Setting {
    secs: Duration,
    rounds: usize,
    tasks: usize,
    depth: usize,
    body: Arc<str>,
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let length = number("BODY", 600);
    let sentence = "The slope of a line tells how fast it rises. ";
    let setting = Setting {
        secs: Duration::from_secs(number("SECS", 3) as u64),
        rounds: number("ROUNDS", 3),
        tasks: number("TASKS", 64),
        depth: number("DEPTH", 32),
        body: sentence.repeat(length / sentence.len() + 1)[..length].into(),
    };
    let (url, local) = match std::env::var("DATABASE_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-pg");
            let local = LocalPostgres::start(&dir, None).await.unwrap();
            (local.url().to_owned(), Some(local))
        }
    };
    let database = format!("fynq_bench_{}", id::new().simple());
    let admin = connect(&url).await;
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    run(&with_database(&url, &database), &setting).await;
    admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    if let Some(local) = local {
        local.stop().await;
    }
}

async fn run(url: &str, setting: &Setting) {
    let settings = config::Database { url: Some(url.to_owned().into()), ..Settings::default().database };
    let store = Store::connect(&settings, Path::new("/nowhere")).await.unwrap();
    let sql = connect(url).await;
    let sessions = sessions(&store, &sql).await;
    // What COPY is measured on: the narrow table of the reference, and ours without its foreign key.
    sql.batch_execute(
        "CREATE TABLE narrow (id bigserial PRIMARY KEY, session bigint NOT NULL, seq int NOT NULL, \
         role smallint NOT NULL, body text NOT NULL, tokens int, created_at timestamptz NOT NULL DEFAULT now()); \
         CREATE INDEX ON narrow (session, id); \
         CREATE TABLE alike (LIKE messages INCLUDING ALL)",
    )
    .await
    .unwrap();
    let names = [
        "COPY, 500 rows, narrow table",
        "COPY, 500 rows, table like messages",
        "unnest INSERT, 500 rows, messages",
        "writer, one Insert a request",
        "writer, Insert and Touch a request",
    ];
    let mut rates = vec![Vec::new(); names.len()];
    let mut costs = vec![Vec::new(); names.len()];
    for _ in 0..setting.rounds {
        for (index, name) in names.iter().enumerate() {
            sql.batch_execute("TRUNCATE messages, narrow, alike; CHECKPOINT").await.unwrap();
            let (begun, theirs, ours) = (Instant::now(), server_seconds(&sql).await, own_seconds());
            let until = begun + setting.secs;
            let rows = match index {
                0 => copy_narrow(&sql, setting, until).await,
                1 => copy_alike(&sql, setting, &sessions, until).await,
                2 => unnest(&sql, setting, &sessions, until).await,
                3 => writer(&store, setting, &sessions, until, false).await,
                _ => writer(&store, setting, &sessions, until, true).await,
            };
            let rate = rows as f64 / begun.elapsed().as_secs_f64();
            rates[index].push(rate);
            let per_row = |seconds: f64| seconds * 1e6 / rows as f64;
            let cost = (per_row(server_seconds(&sql).await - theirs), per_row(own_seconds() - ours));
            costs[index].push(cost);
            eprintln!(
                "{name:<38} {rate:>9.0} rows/s, µs a row: server {:>5.1}, client {:>5.1}",
                cost.0, cost.1
            );
        }
    }
    let mean = |figures: &[f64]| figures.iter().sum::<f64>() / figures.len() as f64;
    let copy = mean(&rates[0]);
    println!(
        "{:<38} {:>9} {:>8} {:>13} {:>13}   rounds",
        "", "rows/s", "of COPY", "server µs/row", "client µs/row"
    );
    for ((name, rates), costs) in names.iter().zip(&rates).zip(&costs) {
        let rounds: Vec<String> = rates.iter().map(|rate| format!("{:.0}", rate / 1000.0)).collect();
        let (server, client): (Vec<f64>, Vec<f64>) = costs.iter().copied().unzip();
        let (rate, server, client) = (mean(rates), mean(&server), mean(&client));
        println!(
            "{name:<38} {rate:>9.0} {:>8.2} {server:>13.1} {client:>13.1}   {} k",
            rate / copy,
            rounds.join(" / ")
        );
    }
    store.close().await;
}

/// Processor time of this database's connections. Not a number where the server does not tell
/// (another machine, not Linux, no superuser).
async fn server_seconds(sql: &Client) -> f64 {
    let told = "SELECT sum(split_part(pg_read_file('/proc/' || pid || '/schedstat'), ' ', 1)::float8) / 1e9 \
                FROM pg_stat_activity WHERE datname = current_database()";
    sql.query_typed_one(told, &[]).await.map_or(f64::NAN, |row| row.get(0))
}

/// Processor time of this process, in the kernel's hundredths; not a number where it does not tell.
fn own_seconds() -> f64 {
    let Ok(told) = std::fs::read_to_string("/proc/self/stat") else { return f64::NAN };
    let after_name = told.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{name}?{query}")
}

async fn sessions(store: &Store, sql: &Client) -> Arc<[Uuid]> {
    let student = id::new();
    let user = "INSERT INTO users (id, email, role, created_at, updated_at) VALUES ($1, 'bench', 'student', now(), now())";
    sql.execute_typed(user, &[(&student, Type::UUID)]).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        let new = NewSession { student_id: student, title: None, subject: None };
        ids.push(store.create_session(new).await.unwrap().id);
    }
    ids.into()
}

/// Numbers messages over all measurements, so that no place in a session is taken twice.
static NEXT: AtomicI64 = AtomicI64::new(1);

async fn copy_narrow(sql: &Client, setting: &Setting, until: Instant) -> u64 {
    let mut rows = 0;
    while Instant::now() < until {
        let sink = sql.copy_in("COPY narrow (session, seq, role, body, tokens) FROM STDIN").await.unwrap();
        pin_mut!(sink);
        let mut lines = BytesMut::with_capacity(ROWS * (setting.body.len() + 32));
        for _ in 0..ROWS {
            let n = NEXT.fetch_add(1, Ordering::Relaxed) % 5000;
            lines.put_slice(format!("{n}\t1\t1\t{}\t100\n", setting.body).as_bytes());
        }
        sink.send(lines.freeze()).await.unwrap();
        rows += sink.finish().await.unwrap();
    }
    rows
}

async fn copy_alike(sql: &Client, setting: &Setting, sessions: &[Uuid], until: Instant) -> u64 {
    let mut rows = 0;
    while Instant::now() < until {
        let columns =
            "session_id, id, ord, run_id, role, author_id, author_kind, content, status, created_at";
        let sink = sql.copy_in(&format!("COPY alike ({columns}) FROM STDIN")).await.unwrap();
        pin_mut!(sink);
        let mut lines = BytesMut::with_capacity(ROWS * (setting.body.len() + 256));
        for _ in 0..ROWS {
            let new = message(sessions, setting);
            let line = format!(
                "{}\t{}\t{}\t{}\tuser\t{}\tstudent\t{}\tcomplete\t{}\n",
                new.session_id, new.id, new.ord, new.run_id, new.session_id, new.content, new.created_at
            );
            lines.put_slice(line.as_bytes());
        }
        sink.send(lines.freeze()).await.unwrap();
        rows += sink.finish().await.unwrap();
    }
    rows
}

async fn unnest(sql: &Client, setting: &Setting, sessions: &[Uuid], until: Instant) -> u64 {
    let mut rows = 0;
    while Instant::now() < until {
        let new: Vec<NewMessage> = (0..ROWS).map(|_| message(sessions, setting)).collect();
        let ids: Vec<Uuid> = new.iter().map(|new| new.id).collect();
        let of: Vec<Uuid> = new.iter().map(|new| new.session_id).collect();
        let ords: Vec<i64> = new.iter().map(|new| new.ord).collect();
        let times: Vec<_> = new.iter().map(|new| new.created_at).collect();
        let texts: Vec<&str> = new.iter().map(|new| &*new.content).collect();
        let params: &[(&(dyn ToSql + Sync), Type)] = &[
            (&of, Type::UUID_ARRAY),
            (&ids, Type::UUID_ARRAY),
            (&ords, Type::INT8_ARRAY),
            (&ids, Type::UUID_ARRAY),
            (&vec!["user"; ROWS], Type::TEXT_ARRAY),
            (&of, Type::UUID_ARRAY),
            (&vec!["student"; ROWS], Type::TEXT_ARRAY),
            (&texts, Type::TEXT_ARRAY),
            (&vec!["complete"; ROWS], Type::TEXT_ARRAY),
            (&vec![None::<Uuid>; ROWS], Type::UUID_ARRAY),
            (&times, Type::TIMESTAMPTZ_ARRAY),
        ];
        rows += sql.execute_typed(UNNEST, params).await.unwrap();
    }
    rows
}

async fn writer(
    store: &Store,
    setting: &Setting,
    sessions: &Arc<[Uuid]>,
    until: Instant,
    touch: bool,
) -> u64 {
    let rows = Arc::new(AtomicU64::new(0));
    let tasks = (0..setting.tasks).map(|_| {
        let (writer, rows, sessions) = (store.writer().clone(), rows.clone(), sessions.clone());
        let (depth, body) = (setting.depth, setting.body.clone());
        tokio::spawn(async move {
            // Each of these is one session's task: it waits for its commit, then sends the next.
            let one = || async {
                while Instant::now() < until {
                    let new = new_message(&sessions, body.clone());
                    let mut ops = Vec::with_capacity(2);
                    if touch {
                        ops.push(Op::Touch { session_id: new.session_id, title: None, at: new.created_at });
                    }
                    ops.push(Op::Insert(new));
                    writer.commit(ops, Patience::Refuse).await.unwrap();
                    rows.fetch_add(1, Ordering::Relaxed);
                }
            };
            join_all((0..depth).map(|_| one())).await;
        })
    });
    join_all(tasks).await;
    rows.load(Ordering::Relaxed)
}

fn message(sessions: &[Uuid], setting: &Setting) -> NewMessage {
    new_message(sessions, setting.body.clone())
}

fn new_message(sessions: &[Uuid], content: Arc<str>) -> NewMessage {
    let ord = NEXT.fetch_add(1, Ordering::Relaxed);
    let session_id = sessions[usize::try_from(ord).unwrap() % sessions.len()];
    let id = id::new();
    NewMessage {
        session_id,
        id,
        ord,
        run_id: id,
        role: MessageRole::User,
        author_id: Some(session_id),
        author_kind: AuthorKind::Student,
        content,
        status: Status::Complete,
        edits: None,
        files: [].into(),
        created_at: clock::now(),
        charged: false,
    }
}
