//! The private PostgreSQL: what runs when no `DATABASE_URL` is given.
//!
//! ```text
//! fynq ──pipe──▶ guard (sh, its own process group) ──▶ postgres (unix socket only)
//!                └─ the pipe's end, however fynq died ─▶ fast shutdown
//! ```
//!
//! One fynq per data directory: a lock on it is held until the server has ended. What a crash
//! left (a server still shutting down, stale pid and socket files, a half made cluster) is waited
//! for, removed or recovered. A server that dies by itself is started again.

mod binaries;
mod guard;
mod leftovers;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use binaries::Binaries;
use guard::Guard;
use place::Place;

/// How long a start may take: crash recovery reads the log since the last checkpoint.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a start is tried again while the processes of a crashed server let go.
const LET_GO: Duration = Duration::from_secs(10);
/// A fast shutdown that takes longer than this is made an immediate one.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The superuser of the private server; only fynq reaches its socket.
const USER: &str = "fynq";

/// Settings for data that matters: PostgreSQL's own defaults, which are durable. Terse, because
/// the details of an error quote rows, and those are students' words.
const DURABLE: &[&str] = &[
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
];

/// For data that may go with the machine: tests on a memory disk.
pub const THROWAWAY: &[&str] = &[
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
];

/// For looking alone: the `postgres` that a first start would take, and its major version.
pub fn installed(bin_dir: Option<&Path>) -> anyhow::Result<(PathBuf, u32)> {
    let first = Binaries::installed(bin_dir)?.swap_remove(0);
    Ok((first.postgres, first.major))
}

/// A running private server. Dropping it (or dying) stops it as well, only nobody waits.
pub struct LocalPostgres {
    config: tokio_postgres::Config,
    url: String,
    data: PathBuf,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl LocalPostgres {
    /// Starts the server whose data lies under `data_dir`, making it first if need be.
    pub async fn start(data_dir: &Path, bin_dir: Option<&Path>) -> anyhow::Result<LocalPostgres> {
        LocalPostgres::start_with(data_dir, bin_dir, DURABLE).await
    }

    /// As `start`, with other settings (`name=value`).
    pub async fn start_with(
        data_dir: &Path,
        bin_dir: Option<&Path>,
        settings: &'static [&'static str],
    ) -> anyhow::Result<LocalPostgres> {
        let begun = Instant::now();
        let place = Place::claim(data_dir)?;
        let binaries = Binaries::find(bin_dir, &place)?;
        let cluster = Cluster { data: place.data(binaries.major), place, binaries, settings };
        leftovers::wait_for_the_old_one(&cluster.data).await?;
        let made = cluster.make_if_missing().await?;
        let guard = cluster.start_until_it_answers().await?;
        if made {
            cluster.sync_behind()?;
        }
        tracing::info!(
            version = cluster.binaries.major,
            data = %cluster.data.display(),
            took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "{} private PostgreSQL; look inside: psql -h {} -U {USER} postgres",
            if made { "made a" } else { "started the" },
            cluster.place.socket_dir.display(),
        );
        let (stop, stopped) = oneshot::channel();
        Ok(LocalPostgres {
            config: cluster.config(),
            url: cluster.url(),
            data: cluster.data.clone(),
            stop,
            ended: tokio::spawn(supervise(cluster, guard, stopped)),
        })
    }

    pub fn config(&self) -> &tokio_postgres::Config {
        &self.config
    }

    /// The same as a `postgresql://` address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process, while there is one.
    pub fn postmaster(&self) -> Option<u32> {
        leftovers::live_postmaster(&self.data)
    }

    /// A fast shutdown; resolves when the server has ended and the data directory is free.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.ended.await;
    }
}

/// Everything a start needs. Holds the lock on the data directory (in `place`).
struct Cluster {
    place: Place,
    binaries: Binaries,
    data: PathBuf,
    settings: &'static [&'static str],
}

impl Cluster {
    /// initdb into a directory beside, then a rename: a start that is cut short leaves nothing
    /// that looks like a cluster.
    async fn make_if_missing(&self) -> anyhow::Result<bool> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(false);
        }
        let fresh = self.place.fresh_dir(&self.data)?;
        let argument = |name: &str| -> String { name.into() };
        let arguments = [
            argument("-D"),
            fresh.display().to_string(),
            argument("-U"),
            argument(USER),
            argument("-A"),
            argument("trust"),
            argument("-E"),
            argument("UTF8"),
            argument("--lc-collate=C"),
            format!("--lc-ctype={}", guard::LOCALE),
            argument("--lc-messages=C"),
            // Not while somebody waits; `sync_behind` does it.
            argument("--no-sync"),
        ];
        let mut guard = Guard::spawn(&self.place, &self.log()?, &self.binaries.initdb, &arguments)?;
        let status = guard.ended().await?;
        if !status.success() {
            let _ = std::fs::remove_dir_all(&fresh);
            bail!("initdb failed ({status}):\n{}", guard.log_tail());
        }
        std::fs::rename(&fresh, &self.data).context("putting the new cluster in its place")?;
        Ok(true)
    }

    /// Brings a new cluster's files to the disk, which takes seconds on a busy one, while the
    /// server already runs. (From then on PostgreSQL sees to it itself.)
    fn sync_behind(&self) -> anyhow::Result<()> {
        if self.settings.contains(&"fsync=off") {
            return Ok(());
        }
        let arguments = ["-D".to_owned(), self.data.display().to_string(), "--sync-only".to_owned()];
        let mut guard = Guard::spawn(&self.place, &self.log()?, &self.binaries.initdb, &arguments)?;
        tokio::spawn(async move {
            if !guard.ended().await.is_ok_and(|status| status.success()) {
                tracing::debug!("syncing the new cluster: {}", guard.log_tail());
            }
        });
        Ok(())
    }

    fn log(&self) -> anyhow::Result<PathBuf> {
        self.place.log(self.binaries.major)
    }

    fn spawn(&self) -> anyhow::Result<Guard> {
        leftovers::remove_stale_files(&self.data, &self.place.socket_dir)?;
        let mut arguments = vec![
            "-D".to_owned(),
            self.data.display().to_string(),
            "-k".to_owned(),
            self.place.socket_dir.display().to_string(),
            "-c".to_owned(),
            "listen_addresses=".to_owned(),
            "-c".to_owned(),
            "logging_collector=off".to_owned(),
        ];
        for setting in self.settings {
            arguments.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        Guard::spawn(&self.place, &self.log()?, &self.binaries.postgres, &arguments)
    }

    async fn start_until_it_answers(&self) -> anyhow::Result<Guard> {
        let begun = Instant::now();
        loop {
            let mut guard = self.spawn()?;
            let answers = tokio::select! {
                () = self.answers() => true,
                _ = guard.ended() => false,
                () = sleep(START_TIMEOUT) => bail!(
                    "PostgreSQL did not answer within {START_TIMEOUT:?}; its log is {}",
                    self.log()?.display(),
                ),
            };
            if answers {
                return Ok(guard);
            }
            let tail = guard.log_tail();
            if !leftovers::lets_go_soon(&tail) || begun.elapsed() > LET_GO {
                bail!("PostgreSQL does not start on {}:\n{tail}", self.data.display());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resolves when the server takes a connection.
    async fn answers(&self) {
        let config = self.config();
        loop {
            let attempt = timeout(Duration::from_secs(2), config.connect(NoTls)).await;
            if matches!(attempt, Ok(Ok(_))) {
                return;
            }
            sleep(Duration::from_millis(4)).await;
        }
    }

    fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.place.socket_dir)
            .port(place::PORT)
            .user(USER)
            .dbname("postgres")
            .ssl_mode(tokio_postgres::config::SslMode::Disable);
        config
    }

    fn url(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        let mut host = String::new();
        for byte in self.place.socket_dir.as_os_str().as_bytes() {
            if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
                host.push(char::from(*byte));
            } else {
                host.push_str(&format!("%{byte:02X}"));
            }
        }
        format!("postgresql:///postgres?host={host}&user={USER}&sslmode=disable")
    }
}

/// Keeps the server running until `stopped` resolves (asked for, or the owner was dropped), then
/// shuts it down. The lock on the data directory goes with `cluster`, last.
async fn supervise(cluster: Cluster, mut guard: Guard, mut stopped: oneshot::Receiver<()>) {
    let mut pause = Duration::from_millis(50);
    loop {
        let running_since = Instant::now();
        tokio::select! {
            _ = &mut stopped => break,
            status = guard.ended() => {
                tracing::error!(?status, "the private PostgreSQL ended by itself; starting it again");
            }
        }
        if running_since.elapsed() > Duration::from_secs(60) {
            pause = Duration::from_millis(50);
        }
        loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(5));
            match cluster.spawn() {
                Ok(again) => {
                    guard = again;
                    break;
                }
                Err(error) => tracing::error!("the private PostgreSQL cannot be started: {error:#}"),
            }
        }
    }
    guard.let_go();
    if timeout(STOP_TIMEOUT, guard.ended()).await.is_err() {
        tracing::warn!("the private PostgreSQL takes long to stop; it will recover at its next start");
        leftovers::end_at_once(&cluster.data);
        let _ = timeout(STOP_TIMEOUT, guard.ended()).await;
    }
}
