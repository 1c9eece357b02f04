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

#[derive(Clone, Copy, Debug)]
struct Now {
    phase: Phase,
    by_hand: bool,
}

/// The side that moves the phase forward.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Now>);

/// The side that watches it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Now>);

pub fn channel() -> (Trigger, Shutdown) {
    let (tx, rx) = watch::channel(Now { phase: Phase::Serving, by_hand: false });
    (Trigger(tx), Shutdown(rx))
}

impl Trigger {
    pub fn advance(&self, to: Phase) {
        self.0.send_if_modified(|now| {
            let forward = to > now.phase;
            if forward {
                now.phase = to;
            }
            forward
        });
    }

    /// Said before the drain begins: a person stops this server, and nobody promised to start another.
    pub fn by_hand(&self) {
        // Nobody waits for this: it is asked for at the end.
        self.0.send_if_modified(|now| {
            now.by_hand = true;
            false
        });
    }
}

impl Shutdown {
    pub fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Whether a person stops it, rather than a supervisor that starts it again.
    pub fn is_by_hand(&self) -> bool {
        self.0.borrow().by_hand
    }

    /// Resolves with the phase when it is later than `seen`.
    pub async fn moved_past(&mut self, seen: Phase) -> Phase {
        match self.0.wait_for(|now| now.phase > seen).await.map(|now| now.phase) {
            Ok(phase) => phase,
            // A dropped trigger moves no more: there is nothing to wait for, ever.
            Err(_) => std::future::pending().await,
        }
    }

    /// Resolves when `phase` is reached; at once if it already is.
    pub async fn reached(&mut self, phase: Phase) {
        // A dropped trigger means that the server is gone: that is past every phase.
        let _ = self.0.wait_for(|now| now.phase >= phase).await;
    }
}
