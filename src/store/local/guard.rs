//! The guard: a shell between fynq and what it starts, which ends it when fynq is gone.
//!
//! A pipe that fynq holds open is the sign of life: the kernel closes it however fynq dies.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use tokio::process::{Child, Command};

use super::place::Place;

/// Sorting by bytes, letters by Unicode.
pub(super) const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// Runs `"$@"` and waits for it; asks it to shut down when standard input ends. Signals are
/// ignored here (PostgreSQL sets its own handlers): a Ctrl-C or a service manager's TERM to the
/// whole group is for fynq to act on, which still needs its database while it drains.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( while read -r _; do :; done; kill -INT "$child" ) <&3 3<&- &
watch=$!
exec 3<&- </dev/null
wait "$child"
status=$?
kill -KILL "$watch" 2>/dev/null
exit "$status"
"#;

pub(super) struct Guard {
    child: Child,
    log: PathBuf,
    /// Where this run's part of the log begins.
    log_from: u64,
}

impl Guard {
    /// Must run inside a tokio runtime, which reaps the child.
    pub(super) fn spawn(
        place: &Place,
        log: &Path,
        program: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Guard> {
        let out = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(log)
            .with_context(|| format!("opening {}", log.display()))?;
        let log_from = out.metadata()?.len();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "fynq-guard"])
            .arg(program)
            .args(arguments)
            // Neither settings meant for psql nor fynq's own secrets are PostgreSQL's business.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", LOCALE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            // Out of the terminal's foreground group: Ctrl-C reaches fynq alone.
            .process_group(0);
        if let Some(owner) = &place.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Guard { child, log: log.to_owned(), log_from })
    }

    /// Resolves when the program has ended; may be awaited again.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        // tokio's `wait` closes the child's input first, which here means "shut down": keep it.
        let held = self.child.stdin.take();
        let status = Held { guard: self, held }.wait().await?;
        Ok(status)
    }

    /// Asks for the shutdown.
    pub(super) fn let_go(&mut self) {
        self.child.stdin = None;
    }

    /// What this run wrote to the log last.
    pub(super) fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.log_from.max(end.saturating_sub(4096))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
        };
        read().unwrap_or_default()
    }
}

/// Gives the pipe back when the wait is cancelled.
struct Held<'a> {
    guard: &'a mut Guard,
    held: Option<tokio::process::ChildStdin>,
}

impl Held<'_> {
    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.guard.child.wait().await
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.guard.child.stdin = self.held.take();
    }
}
