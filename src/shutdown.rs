//! The drain: one signal that everything long-lived listens to.
//!
//! `Serving => Draining => Ending => Stopped`, never back. Draining means: take nothing new, finish
//! what runs. Ending means: what still runs is interrupted and written. Stopped means: close what
//! is left, now.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    Draining,
    Ending,
    Stopped,
}

/// The side that moves the phase forward.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// The side that watches it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

pub fn channel() -> (Trigger, Shutdown) {
    let (tx, rx) = watch::channel(Phase::Serving);
    (Trigger(tx), Shutdown(rx))
}

impl Trigger {
    pub fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }
}

impl Shutdown {
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Resolves with the phase when it is later than `seen`.
    pub async fn moved_past(&mut self, seen: Phase) -> Phase {
        match self.0.wait_for(|now| *now > seen).await.map(|now| *now) {
            Ok(phase) => phase,
            // A dropped trigger moves no more: there is nothing to wait for, ever.
            Err(_) => std::future::pending().await,
        }
    }

    /// Resolves when `phase` is reached; at once if it already is.
    pub async fn reached(&mut self, phase: Phase) {
        // A dropped trigger means that the server is gone: that is past every phase.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}
