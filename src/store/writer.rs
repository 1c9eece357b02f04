//! The writer: one task that commits what many sessions ask for, many sessions to a commit.
//!
//! While one transaction is on its way, requests gather; then they go out together, in the order
//! in which they came. A waiter is answered after COMMIT and not before. All that is sent may be
//! sent again without harm, so a commit of unknown outcome (the connection died under it) is
//! simply repeated.
//!
//! ```text
//! Up => (Up | Away)      a batch or a connection attempt failed: what need not wait is refused
//! Away => (Away | Up)    tried again with growing pauses, at most a second
//! ```

mod batch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::pool::{Address, CONNECT_TIMEOUT};
use super::{Op, Patience, WriteError};
use batch::{Batch, Touched};

/// Requests that are queued or on their way, at most; who comes then waits for room. The room is
/// taken by the door and given back with the answer, so the channel itself can be unbounded and
/// the task can always take all of it in.
const ROOM: usize = 4096;
/// Operations in one transaction, about.
const BATCH_OPS: usize = 1000;
/// Text in one transaction, about.
const BATCH_BYTES: usize = 4 << 20;
/// A transaction longer than this counts as lost. The server itself ends a statement earlier.
const BATCH_TIMEOUT: Duration = Duration::from_secs(8);
/// What a refused caller is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The writer task's door; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Ask>,
    shared: Arc<Shared>,
}

struct Shared {
    room: Semaphore,
    up: watch::Sender<bool>,
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
        let shared = Arc::new(Shared { room: Semaphore::new(ROOM), up: watch::Sender::new(true) });
        let task = Task {
            address,
            asks,
            shared: shared.clone(),
            waiting: VecDeque::new(),
            link: None,
            failures: 0,
            touched: Touched::default(),
        };
        tokio::spawn(task.run());
        Writer { queue, shared }
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

/// A connection of the writer's own.
struct Link {
    client: Client,
    carrier: tokio::task::JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

struct Task {
    address: Address,
    asks: mpsc::UnboundedReceiver<Ask>,
    shared: Arc<Shared>,
    /// What was taken in and has no answer yet, in order; bounded by the room.
    waiting: VecDeque<Ask>,
    link: Option<Link>,
    /// Failed attempts since the last good one.
    failures: u32,
    touched: Touched,
}

/// The task is over: nobody asks any more, or it was closed.
struct Over;

enum Fault {
    /// These rows will never go in.
    Data(String),
    /// Rolled back by the server; the same may pass at once.
    Again,
    /// The server cannot take it now, or is gone. `unknown`: it may have been committed.
    Away { unknown: bool, told: String },
}

impl Task {
    async fn run(mut self) {
        // Only ever ends by `Over`.
        while self.step().await.is_ok() {}
        // Nobody may wait for an answer that will not come: no more room, and no receiver.
        self.shared.room.close();
    }

    async fn step(&mut self) -> Result<(), Over> {
        if self.waiting.is_empty() {
            self.idle().await?;
        }
        while let Ok(ask) = self.asks.try_recv() {
            self.take_in(ask);
        }
        if self.link.as_ref().is_none_or(|link| link.client.is_closed()) {
            self.reconnect().await?;
        }
        match self.waiting.pop_front() {
            None => {}
            Some(Ask::Flush(done)) => {
                let _ = done.send(());
            }
            Some(Ask::Close(done)) => {
                let _ = done.send(());
                return Err(Over);
            }
            Some(Ask::Write(first)) => {
                let requests = self.gather(first);
                self.settle(requests).await?;
                // Those who were just answered often ask again: let them, before the next batch.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Waits for something to do. A connection that ends meanwhile is replaced at once, so that
    /// the outage is known before somebody's message runs into it.
    async fn idle(&mut self) -> Result<(), Over> {
        let ended = async {
            if let Some(link) = &mut self.link {
                let _ = (&mut link.carrier).await;
            }
        };
        tokio::select! {
            biased;
            ask = self.asks.recv() => {
                let ask = ask.ok_or(Over)?;
                self.take_in(ask);
            }
            () = ended => self.link = None,
        }
        Ok(())
    }

    fn take_in(&mut self, ask: Ask) {
        match ask {
            Ask::Write(request) if request.patience == Patience::Refuse && !self.is_up() => {
                self.refuse(request);
            }
            other => self.waiting.push_back(other),
        }
    }

    /// The next batch: what waits, up to the next flush or the limits.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let (mut ops, mut bytes) = weigh(&first);
        let mut requests = vec![first];
        while ops < BATCH_OPS && bytes < BATCH_BYTES {
            match self.waiting.pop_front() {
                Some(Ask::Write(request)) => {
                    let (more_ops, more_bytes) = weigh(&request);
                    ops += more_ops;
                    bytes += more_bytes;
                    requests.push(request);
                }
                Some(other) => {
                    self.waiting.push_front(other);
                    break;
                }
                None => break,
            }
        }
        requests
    }

    /// Commits and answers. A batch that the database refuses is halved until the culprit stands
    /// alone; the halves keep their order.
    async fn settle(&mut self, requests: Vec<Request>) -> Result<(), Over> {
        let mut parts = VecDeque::from([requests]);
        while let Some(mut part) = parts.pop_front() {
            match self.attempt(&part).await {
                Ok(()) => {
                    self.failures = 0;
                    self.set_up(true);
                    self.answer(part, &Ok(()));
                }
                Err(Fault::Data(told)) if part.len() == 1 => {
                    tracing::warn!(%told, "the database refused a write");
                    self.answer(part, &Err(WriteError::Refused));
                }
                Err(Fault::Data(_)) => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push_front(rest);
                    parts.push_front(part);
                }
                Err(fault) => {
                    if let Fault::Away { unknown: true, .. } = fault {
                        part.iter_mut().for_each(|request| request.unknown = true);
                    }
                    parts.push_front(part);
                    let back: Vec<Ask> = parts.into_iter().flatten().map(Ask::Write).collect();
                    back.into_iter().rev().for_each(|ask| self.waiting.push_front(ask));
                    return self.after(fault).await;
                }
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, requests: &[Request]) -> Result<(), Fault> {
        let Some(link) = &self.link else {
            return Err(Fault::Away { unknown: false, told: "no connection".into() });
        };
        let begun = Instant::now();
        let ops = requests.iter().flat_map(|request| &request.ops);
        let batch = Batch::new(ops, &self.touched, begun);
        let sent = timeout(BATCH_TIMEOUT, batch.commit(&link.client)).await;
        let result = match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failed)) => Err(fault(&failed, link.client.is_closed())),
            Err(_) => Err(Fault::Away { unknown: true, told: "no answer in time".into() }),
        };
        if result.is_ok() {
            histogram!("fynq_writer_batch_requests").record(requests.len() as f64);
            histogram!("fynq_writer_commit_seconds").record(begun.elapsed());
            counter!("fynq_writer_rows_total").increment(batch.rows());
            let touched = batch.into_touched();
            self.touched.remember(touched, begun);
        }
        result
    }

    async fn after(&mut self, fault: Fault) -> Result<(), Over> {
        self.failures = self.failures.saturating_add(1);
        match fault {
            // A deadlock with somebody's DELETE, say.
            Fault::Data(_) | Fault::Again => {
                if self.failures > 2 {
                    self.pause().await?;
                }
            }
            Fault::Away { unknown, told } => {
                tracing::warn!(%told, "a write did not get through");
                self.link = None;
                // A dead connection alone may be a restart that is over: reconnecting will tell.
                // A server that answers and cannot write is away.
                if !unknown || self.failures > 1 {
                    self.set_up(false);
                    self.pause().await?;
                }
            }
        }
        Ok(())
    }

    /// Returns with a connection, however long that takes.
    async fn reconnect(&mut self) -> Result<(), Over> {
        loop {
            let address = self.address.clone();
            let attempt = async move { timeout(CONNECT_TIMEOUT * 2, address.connect_for_writing()).await };
            let told = match self.meanwhile(attempt).await? {
                Ok(Ok((client, carrier))) => {
                    self.link = Some(Link { client, carrier });
                    // With something to write, that will show whether it is really back.
                    if !self.waiting.iter().any(|ask| matches!(ask, Ask::Write(_))) {
                        self.failures = 0;
                        self.set_up(true);
                    }
                    return Ok(());
                }
                Ok(Err(error)) => told(&error),
                Err(_) => "no answer in time".into(),
            };
            tracing::debug!(%told, "the database cannot be reached");
            self.failures = self.failures.saturating_add(1);
            self.set_up(false);
            self.pause().await?;
        }
    }

    async fn pause(&mut self) -> Result<(), Over> {
        let doubled = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(8));
        self.meanwhile(sleep(doubled.min(LONGEST_PAUSE))).await
    }

    /// Waits for `event` and takes in what comes, so that nobody waits for a refusal. Ends the
    /// task when it is closed while PostgreSQL is away.
    async fn meanwhile<T>(&mut self, event: impl Future<Output = T>) -> Result<T, Over> {
        let mut event = std::pin::pin!(event);
        loop {
            let closing = self.waiting.iter().any(|ask| matches!(ask, Ask::Close(_)));
            if closing && !self.is_up() {
                return Err(Over);
            }
            tokio::select! {
                biased;
                happened = &mut event => return Ok(happened),
                ask = self.asks.recv() => {
                    let ask = ask.ok_or(Over)?;
                    self.take_in(ask);
                }
            }
        }
    }

    fn is_up(&self) -> bool {
        *self.shared.up.borrow()
    }

    fn set_up(&mut self, up: bool) {
        let changed = self.shared.up.send_if_modified(|now| std::mem::replace(now, up) != up);
        if !changed {
            return;
        }
        gauge!("fynq_writer_up").set(if up { 1.0 } else { 0.0 });
        if up {
            tracing::info!("the database is back");
            return;
        }
        tracing::warn!(waiting = self.waiting.len(), "the database is away");
        let (refused, kept): (Vec<Ask>, Vec<Ask>) = self.waiting.drain(..).partition(|ask| {
            matches!(ask, Ask::Write(request) if request.patience == Patience::Refuse && !request.unknown)
        });
        self.waiting = kept.into();
        for ask in refused {
            if let Ask::Write(request) = ask {
                self.refuse(request);
            }
        }
    }

    fn refuse(&self, request: Request) {
        counter!("fynq_writer_refused_total").increment(1);
        self.answer(vec![request], &Err(WriteError::Unavailable { retry_after: RETRY_AFTER }));
    }

    fn answer(&self, requests: Vec<Request>, result: &Result<(), WriteError>) {
        self.shared.room.add_permits(requests.len());
        for request in requests {
            // Whoever asked may have gone; what was asked for is done all the same.
            let _ = request.reply.send(result.clone());
        }
    }
}

fn weigh(request: &Request) -> (usize, usize) {
    let bytes = request.ops.iter().map(|op| match op {
        Op::Insert(new) => new.content.len(),
        Op::Update(state) => state.content.len(),
        _ => 0,
    });
    (request.ops.len(), bytes.sum())
}

fn fault(failed: &batch::Failed, closed: bool) -> Fault {
    let error = &failed.error;
    let told = told(error);
    match error.code() {
        // Not even begun: then what followed may have been committed piece by piece.
        Some(_) if failed.not_begun => Fault::Away { unknown: true, told },
        Some(code) if is_data_fault(code) => Fault::Data(told),
        Some(code) if code.code().starts_with("40") => Fault::Again,
        // The server said no: rolled back.
        Some(_) => Fault::Away { unknown: false, told },
        None if closed || error.is_closed() || is_io(error) => Fault::Away { unknown: true, told },
        None => Fault::Data(told),
    }
}

/// Whether trying the same again changes nothing: bad values, broken rules, a schema that is not ours.
pub(super) fn is_data_fault(code: &SqlState) -> bool {
    ["0A", "21", "22", "23", "42", "44", "54", "P0"].iter().any(|class| code.code().starts_with(class))
}

pub(super) fn is_io(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The error with its cause, without the detail that quotes rows.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
