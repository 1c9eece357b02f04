//! How much memory questions with pictures may take, all together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::retry::Trouble;

/// The memory that all requests with files share, in KiB. Whoever finds it full waits for as long as for the
/// model's first byte, in the order in which they came; then the question fails, and can be asked again.
pub(super) struct Room {
    free: Arc<Semaphore>,
    whole: u32,
}

/// A part of it, until it is dropped.
#[derive(Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Room {
    pub(super) fn new(bytes: usize) -> Room {
        let whole = kib(bytes as u64).max(1);
        Room { free: Arc::new(Semaphore::new(whole as usize)), whole }
    }

    pub(super) async fn enter(&self, bytes: u64, patience: Duration) -> Result<Held, Trouble> {
        if bytes == 0 {
            return Ok(Held(None));
        }
        // What is larger than all of it goes alone.
        let part = Arc::clone(&self.free).acquire_many_owned(kib(bytes).min(self.whole));
        match timeout(patience, part).await {
            Ok(Ok(part)) => Ok(Held(Some(part))),
            _ => Err(Trouble::Full),
        }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> &Arc<Semaphore> {
        &self.free
    }
}

impl Held {
    /// So much of it; the rest is free again.
    pub(super) fn keep(&mut self, bytes: u64) {
        let Some(held) = &mut self.0 else { return };
        let more = held.num_permits().saturating_sub(kib(bytes) as usize);
        drop(held.split(more));
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
