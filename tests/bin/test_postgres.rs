//! A private PostgreSQL in a process of its own, for tests.
//!
//! `hold DIR`: starts it, says so in DIR/said, and waits to be killed.
//! `keep DIR`: keeps it for every test process that holds DIR/used, and ends a moment after the last.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use fynq::store::local::{LocalPostgres, THROWAWAY};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let what = arguments.next().context("hold or keep")?;
    let dir = PathBuf::from(arguments.next().context("a directory")?);
    match what.to_str() {
        Some("hold") => hold(&dir).await,
        Some("keep") => keep(&dir).await,
        _ => anyhow::bail!("hold or keep"),
    }
}

async fn hold(dir: &Path) -> anyhow::Result<()> {
    let local = LocalPostgres::start(dir, None).await?;
    let postmaster = local.postmaster().context("the server has no process")?;
    std::fs::write(dir.join("said"), format!("{postmaster} {}", local.url()))?;
    std::future::pending().await
}

async fn keep(dir: &Path) -> anyhow::Result<()> {
    let kept = open(&dir.join("keeper"))?;
    kept.lock()?;
    let used = open(&dir.join("used"))?;
    let local = LocalPostgres::start_with(dir, None, THROWAWAY).await?;
    let ready = dir.join("ready");
    std::fs::write(ready.with_extension("new"), local.url())?;
    std::fs::rename(ready.with_extension("new"), &ready)?;
    loop {
        let waiting = used.try_clone()?;
        tokio::task::spawn_blocking(move || waiting.lock()).await??;
        used.unlock()?;
        // The next test process may be about to start.
        tokio::time::sleep(Duration::from_secs(2)).await;
        if used.try_lock().is_ok() {
            break;
        }
    }
    // Nobody can join any more until this process has ended.
    std::fs::remove_file(&ready)?;
    local.stop().await;
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    Ok(File::options().create(true).truncate(false).read(true).write(true).open(path)?)
}
