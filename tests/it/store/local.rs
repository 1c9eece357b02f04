//! The private PostgreSQL and what becomes of it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fynq::store::local::LocalPostgres;
use rustix::process::Signal;

use crate::support::pg::{connect, is_alive, scratch, signal, wait_until};

struct Parent {
    process: Child,
    postmaster: u32,
    url: String,
}

impl Parent {
    fn start(dir: &Path) -> Parent {
        let said = dir.join("said");
        let _ = std::fs::remove_file(&said);
        let process = Command::new(env!("CARGO_BIN_EXE_test-postgres"))
            .arg("hold")
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut text = String::new();
        wait_until("the parent has its server", || {
            text = std::fs::read_to_string(&said).unwrap_or_default();
            text.contains("postgresql:")
        });
        let (postmaster, url) = text.split_once(' ').unwrap();
        Parent { process, postmaster: postmaster.parse().unwrap(), url: url.to_owned() }
    }

    /// Kills those who would stop the server when the parent goes. It is held still, so that it starts no other
    /// one; they are not, as a group that is orphaned with stopped processes in it is woken.
    fn kill_guards(&self, dir: &Path) {
        signal(self.process.id(), Signal::STOP);
        let theirs = [self.postmaster, self.process.id()];
        processes_of(dir)
            .into_iter()
            .filter(|pid| !theirs.contains(pid))
            .for_each(|pid| signal(pid, Signal::KILL));
    }

    /// As `kill -9` does.
    fn kill(mut self) -> (u32, String) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.postmaster, self.url)
    }
}

/// Every process whose command line names this directory.
fn processes_of(dir: &Path) -> Vec<u32> {
    let said = Command::new("ps").args(["-eo", "pid=,args="]).output().unwrap();
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter(|line| line.contains(dir.to_str().unwrap()))
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_parent_leaves_no_orphan_and_no_loss() {
    let dir = scratch("orphan");
    let parent = Parent::start(&dir);
    let client = connect(&parent.url).await;
    client.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").await.unwrap();
    let (postmaster, _) = parent.kill();
    wait_until("the server and its guard have ended", || processes_of(&dir).is_empty());
    assert!(!is_alive(postmaster));

    // Killed, and started again while the old server may still be about to end.
    let (old, _) = Parent::start(&dir).kill();
    let local = LocalPostgres::start(&dir, None).await.unwrap();
    assert_ne!(local.postmaster(), Some(old));
    let client = connect(local.url()).await;
    let kept: i32 = client.query_typed_one("SELECT n FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(kept, 7);
    local.stop().await;
    assert!(processes_of(&dir).is_empty());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_all_were_killed_is_recovered() {
    let dir = scratch("rubble");
    let parent = Parent::start(&dir);
    let client = connect(&parent.url).await;
    client.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").await.unwrap();
    parent.kill_guards(&dir);
    let (postmaster, _) = parent.kill();
    signal(postmaster, Signal::KILL);
    wait_until("all are gone", || processes_of(&dir).is_empty());
    let pid_file = dir.read_dir().unwrap().flatten().map(|entry| entry.path().join("postmaster.pid"));
    let pid_file = pid_file.into_iter().find(|path| path.exists()).expect("a stale pid file");
    // As after a reboot, the number is another process's now, of the same user.
    let stale = std::fs::read_to_string(&pid_file).unwrap();
    let mut somebody = Command::new("sleep");
    as_owner_of(&pid_file, &mut somebody);
    let mut somebody = somebody.arg("60").spawn().unwrap();
    std::fs::write(&pid_file, stale.replacen(&postmaster.to_string(), &somebody.id().to_string(), 1))
        .unwrap();

    let local = LocalPostgres::start(&dir, None).await.unwrap();
    let client = connect(local.url()).await;
    let kept: i32 = client.query_typed_one("SELECT n FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(kept, 7);
    assert!(is_alive(somebody.id()), "and nobody else was harmed");
    somebody.kill().unwrap();
    somebody.wait().unwrap();
    local.stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

fn as_owner_of(path: &Path, command: &mut Command) {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    let found = path.metadata().unwrap();
    if rustix::process::geteuid().is_root() {
        command.uid(found.uid()).gid(found.gid());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_without_a_guard_is_taken_down_first() {
    let dir = scratch("unguarded");
    let parent = Parent::start(&dir);
    parent.kill_guards(&dir);
    let (old, _) = parent.kill();
    assert!(is_alive(old), "nobody stopped it");
    let local = LocalPostgres::start(&dir, None).await.unwrap();
    assert!(!is_alive(old));
    local.stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_on_the_same_data_is_refused_in_a_line() {
    let dir = scratch("second");
    let first = LocalPostgres::start(&dir, None).await.unwrap();
    let refused = LocalPostgres::start(&dir, None).await.err().unwrap().to_string();
    assert!(refused.contains("another fynq") && !refused.contains('\n'), "{refused}");
    first.stop().await;
    LocalPostgres::start(&dir, None).await.unwrap().stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_started_again() {
    let dir = scratch("dies");
    let local = LocalPostgres::start(&dir, None).await.unwrap();
    let old = local.postmaster().unwrap();
    signal(old, Signal::KILL);
    wait_until("another one runs", || local.postmaster().is_some_and(|new| new != old));
    let begun = Instant::now();
    while tokio_postgres::connect(local.url(), tokio_postgres::NoTls).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A Ctrl-C goes to the terminal's foreground group, which the guard and its server left.
    let group = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap());
        rustix::process::getpgid(pid).unwrap()
    };
    assert_ne!(group(local.postmaster().unwrap()), group(std::process::id()));
    local.stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_with_odd_letters_and_of_great_length_work() {
    let dir = scratch("odd");
    for name in ["it's \"100%\" ä".to_owned(), "deep".repeat(30)] {
        let local = LocalPostgres::start(&dir.join(name).join(".fynq"), None).await.unwrap();
        // Both ways to say where it is.
        drop(local.config().connect(tokio_postgres::NoTls).await.unwrap());
        let client = connect(local.url()).await;
        let listens = client.query_typed_one("SHOW listen_addresses", &[]).await.unwrap();
        assert_eq!(listens.get::<_, &str>(0), "", "on the network");
        local.stop().await;
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
