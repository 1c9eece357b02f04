//! The writer: one task that commits what many sessions ask for, many sessions to a commit.
//!
//! While one transaction is on its way, requests gather; then they go out together, in the order
//! in which they came. A waiter is answered after COMMIT and not before. All that is sent may be
//! sent again without harm, so a commit of unknown outcome (the connection died under it) is
//! simply repeated.
//!
//! Under load a batch is two transactions at once, on two connections: PostgreSQL works on one
//! connection with one processor. All of one session stays together, so the order within a
//! session, which is the only one that matters, is kept.
//!
//! ```text
//! Up => (Up | Away)      a batch or a connection attempt failed: what need not wait is refused
//! Away => (Away | Up)    tried again with growing pauses, at most a second
//! ```

mod attempt;
mod batch;
mod task;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::config::Quotas;

use super::pool::Address;
use super::{Op, Patience, WriteError};
pub(super) use attempt::{is_data_fault, is_distrusted, is_io, told};
use task::Task;

/// Requests that are queued or on their way, at most; who comes then waits for room. The room is
/// taken by the door and given back with the answer, so the channel itself can be unbounded and
/// the task can always take all of it in.
const ROOM: usize = 4096;
/// What a refused caller is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The writer task's door; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Ask>,
    shared: Arc<Shared>,
}

struct Shared {
    room: Semaphore,
    up: watch::Sender<bool>,
    /// Never set: there are no quotas.
    limits: OnceLock<batch::Limits>,
}

enum Ask {
    Write(Request),
    /// Answered when all that came before has been.
    Flush(oneshot::Sender<()>),
    /// As `Flush`, and the task ends. While PostgreSQL is away, what waits is given up.
    Close(oneshot::Sender<()>),
}

struct Request {
    ops: Vec<Op>,
    patience: Patience,
    /// It was sent and nobody knows whether it was committed.
    unknown: bool,
    reply: oneshot::Sender<Result<(), WriteError>>,
}

impl Writer {
    pub(super) fn start(address: Address) -> Writer {
        let (queue, asks) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            room: Semaphore::new(ROOM),
            up: watch::Sender::new(true),
            limits: OnceLock::new(),
        });
        tokio::spawn(Task::new(address, asks, shared.clone()).run());
        Writer { queue, shared }
    }

    /// From now on messages are charged, and refused when a quota is used up. Said once, at the start.
    pub fn limit(&self, quotas: &Quotas) {
        let Quotas { student: s, class: c } = quotas;
        if quotas.is_any() {
            // The first word counts.
            let _ = self.shared.limits.set([
                s.messages_day,
                s.messages_month,
                s.tokens_day,
                s.tokens_month,
                c.messages_day,
                c.messages_month,
                c.tokens_day,
                c.tokens_month,
            ]);
        }
    }

    /// As `write_batch` wants them; `None`: there are no quotas.
    pub(super) fn limits(&self) -> Option<[Option<i64>; 8]> {
        self.shared.limits.get().copied()
    }

    /// Resolves after COMMIT. Dropping the future does not undo the request once it was queued.
    pub async fn commit(&self, ops: Vec<Op>, patience: Patience) -> Result<(), WriteError> {
        const AWAY: Result<(), WriteError> = Err(WriteError::Unavailable { retry_after: RETRY_AFTER });
        if patience == Patience::Refuse && !self.is_up() {
            counter!("fynq_writer_refused_total").increment(1);
            return AWAY;
        }
        let room = match self.shared.room.try_acquire() {
            Ok(room) => room,
            Err(_) => tokio::select! {
                room = self.shared.room.acquire() => match room {
                    Ok(room) => room,
                    Err(_) => return AWAY,
                },
                () = self.away(), if patience == Patience::Refuse => return AWAY,
            },
        };
        let (reply, answer) = oneshot::channel();
        let request = Request { ops, patience, unknown: false, reply };
        if self.queue.send(Ask::Write(request)).is_err() {
            return AWAY;
        }
        // From here on the room is the request's; the task gives it back.
        room.forget();
        answer.await.unwrap_or(AWAY)
    }

    /// Whether the last thing heard of PostgreSQL was good.
    pub fn is_up(&self) -> bool {
        *self.shared.up.borrow()
    }

    /// Resolves when PostgreSQL is known to be away.
    async fn away(&self) {
        let mut up = self.shared.up.subscribe();
        // The sender lives as long as this door.
        let _ = up.wait_for(|up| !up).await;
    }

    /// Resolves when all that was queued before is committed, or given up.
    pub async fn flush(&self) {
        self.ask(Ask::Flush).await;
    }

    pub(super) async fn close(&self) {
        self.ask(Ask::Close).await;
    }

    async fn ask(&self, ask: impl FnOnce(oneshot::Sender<()>) -> Ask) {
        let (done, answer) = oneshot::channel();
        // An error means that the task has ended: nothing waits any more.
        if self.queue.send(ask(done)).is_ok() {
            let _ = answer.await;
        }
    }
}
