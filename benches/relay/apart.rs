//! Readers that must not stand in the way of those whose latency counts.

use std::process::Command;

use anyhow::{Context, ensure};
use tokio::sync::oneshot;

/// What a thread apart came to.
pub(crate) struct Apart<T>(oneshot::Receiver<anyhow::Result<T>>);

impl<T> Apart<T> {
    pub(crate) async fn result(self) -> anyhow::Result<T> {
        self.0.await.context("a thread of the load generator ended")?
    }
}

/// Runs on a thread of its own, which on the core that they share gives way to the caller's at once. On the
/// caller's thread a chunk would wait behind its copies for everybody else.
pub(crate) fn apart<T, F>(work: impl FnOnce() -> F + Send + 'static) -> anyhow::Result<Apart<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>>,
{
    let (done, result) = oneshot::channel();
    let run = move || {
        give_way()?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
    };
    // Whoever waited may have failed meanwhile.
    std::thread::Builder::new().spawn(move || drop(done.send(run())))?;
    Ok(Apart(result))
}

/// This thread alone is taken off the core whenever another wakes. A mere `nice` leaves it there for its slice.
fn give_way() -> anyhow::Result<()> {
    let path = std::fs::read_link("/proc/thread-self")?;
    let thread = path.file_name().context("a thread without a number")?;
    let told = Command::new("chrt").args(["--idle", "--pid", "0"]).arg(thread).status().context("chrt")?;
    ensure!(told.success(), "chrt: {told}");
    Ok(())
}
