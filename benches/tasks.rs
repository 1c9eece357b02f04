//! Tasks: how many a worker does a second when they do nothing, and how soon one is begun, beside what pgbench
//! reaches on the same table with the same statements, in interleaved rounds.
//!
//! The worker is the server's own, with a kind of this file's: a server has no kind that does nothing.
//!
//! `cargo bench --bench tasks`. `DATABASE_URL` names the server (everything happens in a database of its own,
//! dropped at the end); without it a durable private one is started. `ROUNDS` (3), `TASKS` of one measurement
//! (3000), `PICKS` (200), and `PGBENCH`, the program (`pgbench`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails may as well panic")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fynq::config::Settings;
use fynq::id;
use fynq::jobs::{Done, Kind, Worker};
use fynq::server::Server;
use fynq::store::NewTask;
use fynq::store::local::LocalPostgres;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, NoTls};

/// Jobs at once, as set (`FYNQ_WORKER_JOBS`), and the connections that pgbench is given: the pool has no more.
const LOADS: [(usize, usize); 2] = [(4, 4), (32, 8)];
/// Between two tasks whose beginning is measured: everybody has come to rest.
const REST: Duration = Duration::from_millis(20);

/// One permit for each task that has begun.
static BEGUN: Semaphore = Semaphore::const_new(0);

static KINDS: [Kind; 1] = [Kind {
    name: "nothing",
    at_once: 64,
    time: Duration::from_secs(60),
    attempts: 1,
    every: None,
    run: |_| {
        BEGUN.add_permits(1);
        Box::pin(async { Ok(Done::default()) })
    },
}];

struct Bench {
    url: String,
    sql: Client,
    dir: PathBuf,
    tasks: usize,
    picks: usize,
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (url, local) = match std::env::var("DATABASE_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let local = LocalPostgres::start(&tmp.join("bench-pg"), None).await.unwrap();
            (local.url().to_owned(), Some(local))
        }
    };
    let database = format!("fynq_bench_{}", id::new().simple());
    let dir = std::env::temp_dir().join(&database);
    std::fs::create_dir(&dir).unwrap();
    let admin = connect(&url).await;
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let url = with_database(&url, &database);
    let settings = (number("TASKS", 3000), number("PICKS", 200));
    let bench = Bench { sql: connect(&url).await, url, dir, tasks: settings.0, picks: settings.1 };
    bench.run(number("ROUNDS", 3)).await;
    admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    std::fs::remove_dir_all(&bench.dir).unwrap();
    if let Some(local) = local {
        local.stop().await;
    }
}

/// A figure of ours and of pgbench's, round by round.
struct Row {
    title: String,
    rounds: Vec<(f64, f64)>,
}

impl Bench {
    async fn run(&self, rounds: usize) {
        let mut rates = LOADS.map(|(at_once, clients)| Row {
            title: format!("jobs/s, {at_once} at once, pgbench with {clients} connections"),
            rounds: Vec::new(),
        });
        let mut picks = ["p50", "p99"].map(|which| Row {
            title: format!("from the call that puts a task there to its beginning, {which}, µs"),
            rounds: Vec::new(),
        });
        // Migrates, once.
        self.server(1).await.shutdown().await;
        for round in 1..=rounds {
            for (row, (at_once, clients)) in rates.iter_mut().zip(LOADS) {
                let pair = (self.jobs(at_once).await, self.jobs_by_pgbench(clients).await);
                eprintln!(
                    "tasks    round {round}: {at_once} at once: {:.0} jobs/s, pgbench {:.0}",
                    pair.0, pair.1
                );
                row.rounds.push(pair);
            }
            let (ours, theirs) = (self.picks().await, self.picks_by_pgbench().await);
            for (row, share) in picks.iter_mut().zip([0.5, 0.99]) {
                let pair = (quantile(&ours, share), quantile(&theirs, share));
                eprintln!("tasks    round {round}: begun after {:.0} µs, pgbench {:.0}", pair.0, pair.1);
                row.rounds.push(pair);
            }
        }
        println!("| tasks that do nothing, {rounds} rounds | fynq | pgbench | of pgbench |");
        println!("|---|---|---|---|");
        for Row { title, rounds } in rates.iter().chain(&picks) {
            let sorted = |of: fn(&(f64, f64)) -> f64| {
                let mut figures: Vec<f64> = rounds.iter().map(of).collect();
                figures.sort_by(f64::total_cmp);
                figures
            };
            let (ours, theirs, ratio) =
                (sorted(|pair| pair.0), sorted(|pair| pair.1), sorted(|pair| pair.0 / pair.1));
            println!(
                "| {title} | {:.0} | {:.0} | {:.2} ({:.2} to {:.2}) |",
                median(&ours),
                median(&theirs),
                median(&ratio),
                ratio[0],
                ratio[ratio.len() - 1],
            );
        }
    }

    /// A server with its defaults, whose own worker is off.
    async fn server(&self, at_once: usize) -> Server {
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: self.dir.clone(),
            ..Settings::default()
        };
        settings.database.url = Some(self.url.clone().into());
        settings.worker.on = false;
        settings.worker.at_once = at_once;
        Server::start(settings).await.unwrap()
    }

    /// So many tasks wait, and nothing else is there.
    async fn fill(&self, tasks: usize) {
        let sql = format!(
            "TRUNCATE tasks CASCADE; \
             INSERT INTO tasks (id, kind) SELECT gen_random_uuid(), 'nothing' FROM generate_series(1, {tasks}); \
             VACUUM ANALYZE tasks; CHECKPOINT"
        );
        for statement in sql.split(';') {
            self.sql.batch_execute(statement).await.unwrap();
        }
    }

    /// Waits until no task has not ended.
    async fn ended(&self) {
        let left = "SELECT count(*) FROM tasks WHERE status IN ('queued', 'running')";
        while self.sql.query_typed_one(left, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn jobs(&self, at_once: usize) -> f64 {
        self.fill(self.tasks).await;
        let server = self.server(at_once).await;
        let begun = Instant::now();
        let worker = tokio::spawn(Worker::new(server.app().clone(), &KINDS).run());
        BEGUN.acquire_many(u32::try_from(self.tasks).unwrap()).await.unwrap().forget();
        self.ended().await;
        let took = begun.elapsed();
        server.shutdown().await;
        worker.await.unwrap();
        self.tasks as f64 / took.as_secs_f64()
    }

    /// Each takes one task and ends it, each statement a transaction of its own.
    async fn jobs_by_pgbench(&self, clients: usize) -> f64 {
        let each = self.tasks / clients;
        // Some more, so that nobody finds none.
        self.fill(each * clients + clients).await;
        let script = format!("{}\n\\gset\n{};\n", take(), finish());
        let told =
            self.pgbench(&script, &["-c", &clients.to_string(), "-j", "1", "-t", &each.to_string()]).await;
        let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")).expect(&told);
        rate.split(' ').next().unwrap().parse().unwrap()
    }

    /// Microseconds, sorted.
    async fn picks(&self) -> Vec<f64> {
        self.fill(0).await;
        let server = self.server(4).await;
        let worker = tokio::spawn(Worker::new(server.app().clone(), &KINDS).run());
        let mut took = Vec::new();
        // The first shows that the worker listens, and does not count.
        for _ in 0..=self.picks {
            tokio::time::sleep(REST).await;
            let begun = Instant::now();
            server.app().store.enqueue(&NewTask::of("nothing")).await.unwrap();
            BEGUN.acquire().await.unwrap().forget();
            took.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        self.ended().await;
        server.shutdown().await;
        worker.await.unwrap();
        took.remove(0);
        took.sort_by(f64::total_cmp);
        took
    }

    /// One connection puts a task there and takes it at once: nobody has to be told.
    async fn picks_by_pgbench(&self) -> Vec<f64> {
        self.fill(0).await;
        let script = format!("{};\n{}\n\\gset\n", enqueue(), take());
        let (log, count) = (self.dir.join("picks"), self.picks.to_string());
        let rate = (1.0 / REST.as_secs_f64()).to_string();
        let words = ["-c", "1", "-t", &count, "--rate", &rate, "-l", "--log-prefix", log.to_str().unwrap()];
        self.pgbench(&script, &words).await;
        let mut took = Vec::new();
        for file in std::fs::read_dir(&self.dir).unwrap().map(|file| file.unwrap().path()) {
            if !file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("picks.")) {
                continue;
            }
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let words: Vec<f64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
                // From when it was due; the last is how late it began.
                took.push(words[2] - words[6]);
            }
            std::fs::remove_file(&file).unwrap();
        }
        assert_eq!(took.len(), self.picks);
        took.sort_by(f64::total_cmp);
        took
    }

    async fn pgbench(&self, script: &str, words: &[&str]) -> String {
        let file = self.dir.join("script.sql");
        std::fs::write(&file, script).unwrap();
        let mut command = Command::new(std::env::var_os("PGBENCH").unwrap_or("pgbench".into()));
        command.args(["-n", "-M", "extended", "-f"]).arg(file).args(words).arg(&self.url);
        // Row level security as for our worker, and no statement for it.
        command.env("PGOPTIONS", "-c role=fynq_jobs");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A statement of the server's with words in the places of its parameters.
fn with(sql: &str, words: &[&str]) -> String {
    let plain = sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    let numbered = words.iter().enumerate().rev();
    numbered.fold(plain, |sql, (index, word)| sql.replace(&format!("${}", index + 1), word))
}

fn take() -> String {
    with(include_str!("../sql/queries/task_take.sql"), &["'{nothing}'", "'{1}'", "1", "'pgbench'", "30"])
}

fn finish() -> String {
    let done = "jsonb_build_object('id', :id::text, 'lease', :lease::bigint, 'result', null)";
    with(include_str!("../sql/queries/task_finish.sql"), &[done])
}

fn enqueue() -> String {
    let words = ["gen_random_uuid()", "'nothing'", "NULL", "NULL", "'{}'", "NULL", "0::smallint", "5"];
    with(include_str!("../sql/queries/task_enqueue.sql"), &words)
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

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)]
}

fn median(sorted: &[f64]) -> f64 {
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}
