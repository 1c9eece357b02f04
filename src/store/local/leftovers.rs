//! What an earlier run left: a server still shutting down, or files of one that was killed.
//!
//! Everything here is called with the lock on the data directory held, so no other fynq owns what
//! is found.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// The old guard shuts its server down by itself when its fynq died.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a server that is still there; one whose guard died too is told to stop.
pub(super) async fn wait_for_the_old_one(data: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut told = false;
    while let Some(pid) = live_postmaster(data) {
        if begun.elapsed() > PATIENCE {
            bail!("process {pid} still runs PostgreSQL on {}: stop it first", data.display());
        }
        if !told && begun.elapsed() > PATIENCE / 5 {
            tracing::warn!(pid, "an earlier run left its PostgreSQL behind; stopping it");
            signal(pid, Signal::INT);
            told = true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// An immediate shutdown: nothing is lost, the next start recovers.
pub(super) fn end_at_once(data: &Path) {
    if let Some(pid) = live_postmaster(data) {
        signal(pid, Signal::QUIT);
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
        tracing::debug!(%error, "signalling PostgreSQL");
    }
}

/// The process in `postmaster.pid`, if it lives and is PostgreSQL on this very data: after a
/// restart of the machine (or in a container) the number may be anybody's.
pub(super) fn live_postmaster(data: &Path) -> Option<u32> {
    let written = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = written.lines().next()?.trim().parse().ok()?;
    let command = command_of(pid)?;
    command.contains(data.to_str()?).then_some(pid)
}

/// A process's command line; `None` when there is none (a zombie has none either).
fn command_of(pid: u32) -> Option<String> {
    if Path::new("/proc/self").exists() {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&bytes).into_owned());
    }
    let pid = pid.to_string();
    let said = std::process::Command::new("ps").args(["-o", "command=", "-p", &pid]).output().ok()?;
    Some(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// PostgreSQL removes these itself unless their process number lives again as somebody else's.
pub(super) fn remove_stale_files(data: &Path, socket_dir: &Path) -> anyhow::Result<()> {
    if let Some(pid) = live_postmaster(data) {
        bail!("process {pid} already runs PostgreSQL on {}", data.display());
    }
    let socket = format!(".s.PGSQL.{}", super::place::PORT);
    let mut stale = vec![socket_dir.join(&socket), socket_dir.join(format!("{socket}.lock"))];
    // The pid file also names the shared memory, by which PostgreSQL sees that children of the
    // old server still live: it goes only when it would be mistaken for a live server.
    let pid_file = data.join("postmaster.pid");
    if let Some(pid) = pid_in(&pid_file)
        && command_of(pid).is_some()
    {
        stale.push(pid_file);
    }
    for path in stale {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn pid_in(pid_file: &Path) -> Option<u32> {
    std::fs::read_to_string(pid_file).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether a failed start is about processes of a killed server that are just ending.
pub(super) fn lets_go_soon(log: &str) -> bool {
    log.contains("is still in use") || log.contains("postmaster.pid\" already exists")
}
