//! PostgreSQL for tests.
//!
//! [`Db`] is an empty database with the schema, cloned from a template in some 20 ms and dropped
//! at its end. All test processes of a checkout share one server on a memory disk; it is run by a
//! keeper process and ends when the last of them has. `TEST_DATABASE_URL` names another server.
//! [`PrivatePg`] is a durable server of a test's own, to be stopped, killed and started.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fynq::config;
use fynq::id::{self, Uuid};
use fynq::store::Address;
use fynq::store::local::LocalPostgres;
use tokio_postgres::{Client, NoTls};

/// Any number: what builders of the template on one server agree on.
const TEMPLATE_LOCK: i64 = 0x7465_7374;
/// Databases that a killed test left on a server that is not ours go after this long.
const STALE: Duration = Duration::from_secs(3600);

/// A database of a test's own.
pub(crate) struct Db {
    name: String,
    url: String,
}

impl Db {
    pub(crate) async fn new() -> Db {
        // Joining the server blocks (a file lock, another process): not on a runtime's thread.
        let cluster = tokio::task::spawn_blocking(cluster).await.unwrap();
        let name = format!("t_{}", id::new().simple());
        let client = connect(&cluster.url).await;
        let template = &cluster.template;
        client
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
            .await
            .unwrap();
        // A database's own rights are not copied from a template: what V12 took from everybody here.
        client.batch_execute(&format!("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")).await.unwrap();
        Db { url: with_database(&cluster.url, &name), name }
    }

    /// One without even the schema.
    pub(crate) async fn empty() -> Db {
        let cluster = tokio::task::spawn_blocking(cluster).await.unwrap();
        let name = format!("t_{}", id::new().simple());
        connect(&cluster.url).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        Db { url: with_database(&cluster.url, &name), name }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The settings that lead to it, as the login role that owns nothing.
    pub(crate) fn settings(&self) -> config::Database {
        settings_for(&self.app_url())
    }

    /// The address of the login role. Another server than ours may want a password of it: there the
    /// given one serves.
    pub(crate) fn app_url(&self) -> String {
        match std::env::var_os("TEST_DATABASE_URL") {
            Some(_) => self.url.clone(),
            None => with_user(&self.url, fynq::store::migrate::LOGIN),
        }
    }

    /// A connection outside of everything that is tested.
    pub(crate) async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let name = self.name.clone();
        block_on(async move {
            let client = connect(&cluster().url).await;
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        });
    }
}

pub(crate) fn settings_for(url: &str) -> config::Database {
    config::Database { url: Some(url.to_owned().into()), ..config::Settings::default().database }
}

/// A connection, without TLS.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A server of a test's own: durable, so that what was committed survives its being killed.
pub(crate) struct PrivatePg {
    dir: PathBuf,
    local: Option<LocalPostgres>,
    url: String,
    listens: Option<IpAddr>,
}

impl PrivatePg {
    pub(crate) async fn start() -> PrivatePg {
        let dir = scratch("own");
        let local = LocalPostgres::start(&dir, None).await.unwrap();
        let url = local.url().to_owned();
        PrivatePg { dir, local: Some(local), url, listens: None }
    }

    /// One that can be reached by TCP, at PostgreSQL's port of a loopback address of its own.
    pub(crate) async fn on_the_network() -> PrivatePg {
        let dir = scratch("own");
        let [.., a, b, c] = id::new().into_bytes();
        let listens = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        let settings: &'static [&'static str] =
            vec![format!("listen_addresses={listens}").leak() as &'static str].leak();
        let local = LocalPostgres::start_with(&dir, None, settings).await.unwrap();
        let url = local.url().to_owned();
        PrivatePg { dir, local: Some(local), url, listens: Some(listens.into()) }
    }

    pub(crate) fn listens(&self) -> Option<IpAddr> {
        self.listens
    }

    /// Where its data lies, as `FYNQ_DATA_DIR` names it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stays the same over restarts.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn settings(&self) -> config::Database {
        settings_for(&self.url)
    }

    /// A clean stop; it stays down until `start_again`.
    pub(crate) async fn stop(&mut self) {
        self.local.take().unwrap().stop().await;
    }

    pub(crate) async fn start_again(&mut self) {
        self.local = Some(LocalPostgres::start(&self.dir, None).await.unwrap());
    }

    /// Ends the server and all its processes at once, whatever they are doing. Its supervisor
    /// starts it again in a moment, and it recovers.
    pub(crate) fn kill(&self) {
        if let Some(pid) = self.local.as_ref().and_then(LocalPostgres::postmaster) {
            signal(pid, rustix::process::Signal::QUIT);
        }
    }
}

impl Drop for PrivatePg {
    fn drop(&mut self) {
        if let Some(pid) = self.local.take().and_then(|local| local.postmaster()) {
            signal(pid, rustix::process::Signal::QUIT);
            wait_until("the server has ended", || !is_alive(pid));
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Writes a file beside a server's data, as its own.
pub(crate) fn lay(path: &Path, text: &str) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    std::fs::write(path, text).unwrap();
    let owner = std::fs::metadata(path.parent().unwrap()).unwrap();
    chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A new directory on the memory disk, if there is one.
pub(crate) fn scratch(what: &str) -> PathBuf {
    let dir = memory_disk().join(format!("fynq-{what}-{}", id::new().simple()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// Whether a process runs; one that only waits to be reaped does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let said = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The server of this test run.
struct Cluster {
    url: String,
    template: String,
    /// Held shared as long as this process may use the server.
    _use: Option<File>,
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => {
            let template = block_on(prepare(url.clone(), STALE));
            Cluster { url, template, _use: None }
        }
        Err(_) => {
            let (url, used) = join(&shared_dir());
            let template = block_on(prepare(url.clone(), STALE));
            Cluster { url, template, _use: Some(used) }
        }
    })
}

/// Joins the shared server, after starting its keeper if there is none. The lock is taken before
/// looking: from then on a keeper that is there stays.
fn join(dir: &Path) -> (String, File) {
    std::fs::create_dir_all(dir).unwrap();
    let used = open(&dir.join("used"));
    used.lock_shared().unwrap();
    let starting = open(&dir.join("starting"));
    starting.lock().unwrap();
    let ready = dir.join("ready");
    if !is_locked(&dir.join("keeper")) {
        let _ = std::fs::remove_file(&ready);
        let said = File::create(dir.join("keeper.log")).unwrap();
        let mut keeper = std::os::unix::process::CommandExt::process_group(
            Command::new(env!("CARGO_BIN_EXE_test-postgres"))
                .arg("keep")
                .arg(dir)
                .stdin(Stdio::null())
                .stdout(said.try_clone().unwrap())
                .stderr(said),
            0,
        )
        .spawn()
        .unwrap();
        wait_until("the test server is ready", || {
            if let Some(status) = keeper.try_wait().unwrap() {
                let said = std::fs::read_to_string(dir.join("keeper.log")).unwrap_or_default();
                panic!("the test server's keeper ended ({status}):\n{said}");
            }
            ready.exists()
        });
    }
    (std::fs::read_to_string(ready).unwrap(), used)
}

/// Makes the template if it is not there yet, and drops what killed tests left.
async fn prepare(url: String, stale: Duration) -> String {
    let client = connect(&url).await;
    client.batch_execute(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await.unwrap();
    let template = format!("tpl_{:016x}", migrations_hash());
    let names: Vec<String> = client
        .query_typed("SELECT datname::text FROM pg_database WHERE datname ~ '^(t|tpl|half)_[0-9a-f]+$'", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    for name in &names {
        let born =
            name.strip_prefix("t_").and_then(|id| Uuid::parse_str(id).ok()).and_then(|id| id.get_timestamp());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let old = born.is_some_and(|born| now.as_secs().saturating_sub(born.to_unix().0) > stale.as_secs());
        // A template that was cut short is dropped under its first name.
        if old || name.starts_with("half_") {
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
        }
    }
    if !names.contains(&template) {
        let half = template.replace("tpl_", "half_");
        client.batch_execute(&format!("CREATE DATABASE {half}")).await.unwrap();
        let config = with_database(&url, &half).parse().unwrap();
        let address = Address::new(config, None).unwrap();
        fynq::store::migrate::run(&address).await.unwrap();
        wait_for_nobody(&client, &half).await;
        client.batch_execute(&format!("ALTER DATABASE {half} ALLOW_CONNECTIONS false")).await.unwrap();
        client.batch_execute(&format!("ALTER DATABASE {half} RENAME TO {template}")).await.unwrap();
    }
    let open = format!("ALTER ROLE {} LOGIN", fynq::store::migrate::LOGIN);
    client.batch_execute(&open).await.unwrap();
    template
}

/// A database that somebody is connected to can be neither renamed nor cloned.
async fn wait_for_nobody(client: &Client, name: &str) {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    while client.query_typed_one(&sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn migrations_hash() -> u64 {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

fn shared_dir() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    memory_disk().join(format!("fynq-test-{:016x}-{user}", hasher.finish()))
}

fn memory_disk() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() { shm } else { std::env::temp_dir() }
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) =
        url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{name}{query}")
}

/// Of our own server's address, which names the user last.
pub(crate) fn with_user(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap();
    let parts: Vec<String> = query
        .split('&')
        .map(|part| if part.starts_with("user=") { format!("user={name}") } else { part.to_owned() })
        .collect();
    format!("{base}?{}", parts.join("&"))
}

fn open(path: &Path) -> File {
    File::options().create(true).truncate(false).write(true).open(path).unwrap()
}

fn is_locked(path: &Path) -> bool {
    matches!(open(path).try_lock(), Err(TryLockError::WouldBlock))
}

/// Runs on a thread of its own: the caller may itself be inside a runtime.
fn block_on<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let run =
        move || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
    std::thread::spawn(run).join().unwrap()
}
