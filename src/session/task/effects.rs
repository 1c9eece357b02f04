//! The state's hands: what it makes happen in the log, PostgreSQL and the model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use crate::audit::{self, Asking};
use crate::clock::{self, Timestamp};
use crate::gemini::{Answer, Prompt};
use crate::id::Uuid;
use crate::protocol::{Control, Event, ForTutors, Usage};
use crate::session::log::{Audience, ConnId, Log};
use crate::session::registry::Inner;
use crate::session::shelf::Shelf;
use crate::session::state::{MAX_DONE, Out, Timer, Token};
use crate::session::window::{MAX_BYTES, MAX_MESSAGES, MAX_NAMED};
use crate::shutdown::Phase;
use crate::store::{Op, Pace, Patience, TutorRow};

use super::{Happening, RETRY};

/// Who comes and goes is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Effects<'a> {
    pub(super) inner: &'a Inner,
    pub(super) session: Uuid,
    pub(super) log: Arc<Log>,
    /// What the task waits for beside its mailbox and the model: only what has happened is polled.
    pub(super) pending: FuturesUnordered<BoxFuture<'static, Happening>>,
    /// Those of them that the session must see through: all but the wait for the drain.
    pub(super) unsettled: usize,
    pub(super) answer: Option<Box<Answer>>,
    /// The end of what was kept last.
    pub(super) last_kept: Option<oneshot::Receiver<()>>,
    born: Instant,
}

impl<'a> Effects<'a> {
    pub(super) fn new(inner: &'a Inner, session: Uuid) -> Effects<'a> {
        let log = Log::new(inner.settings.log_bytes);
        let mut effects = Effects {
            inner,
            session,
            log,
            pending: FuturesUnordered::new(),
            unsettled: 0,
            answer: None,
            last_kept: None,
            born: Instant::now(),
        };
        effects.watch_phase(Phase::Serving);
        effects
    }

    pub(super) fn expect(&mut self, happening: impl Future<Output = Happening> + Send + 'static) {
        self.unsettled += 1;
        self.pending.push(happening.boxed());
    }

    pub(super) fn watch_phase(&mut self, seen: Phase) {
        let mut shutdown = self.inner.shutdown.clone();
        self.pending.push(async move { Happening::Phase(shutdown.moved_past(seen).await) }.boxed());
    }
}

impl Out for Effects<'_> {
    fn event(&mut self, run: Uuid, event: &Event<'_>) {
        self.log.append(run, event);
    }

    fn control(&mut self, audience: Audience, control: &Control<'_>) {
        self.log.control(audience, control);
    }

    fn tutors(&mut self, only: Option<ConnId>, what: &ForTutors<'_>) {
        self.log.tutors(only, what);
    }

    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience) {
        let writer = self.inner.store.writer().clone();
        self.expect(async move { Happening::Committed(token, writer.commit(ops, patience).await) });
    }

    fn keep(&mut self, token: Token, rows: Vec<TutorRow>, patience: Patience) {
        self.keep_in_order(token, rows, patience);
    }

    fn record(&mut self, by: Uuid, asking: &Asking, event: &audit::Event) {
        audit::within(asking.clone(), || self.inner.store.audit().record(by, event));
    }

    fn wake(&mut self, timer: Timer) {
        let after = match timer {
            Timer::Lapse(_) | Timer::Claim(_) => self.inner.settings.lapse_after,
            Timer::Tell => TELL_EVERY,
        };
        // It keeps nothing in memory: who holds a session does.
        self.pending.push(sleep(after).map(move |()| Happening::Timer(timer)).boxed());
    }

    fn pace(&mut self, answer: Uuid, pace: Pace) {
        self.inner.store.paces().note(self.session, answer, pace);
    }

    fn look_back(&mut self, run: Uuid, question: Uuid) {
        let (store, session) = (self.inner.store.clone(), self.session);
        self.expect(async move {
            loop {
                match store.look_back(session, question, MAX_NAMED, MAX_MESSAGES, MAX_BYTES).await {
                    Ok(past) => return Happening::LookedBack(run, past.map(Box::new)),
                    // The edit was accepted, so it is done, and what it supersedes must be known first.
                    Err(error) => {
                        tracing::warn!(%session, %error, "what an edit supersedes could not be read");
                        sleep(RETRY).await;
                    }
                }
            }
        });
    }

    fn ask_model(&mut self, prompt: Prompt) {
        let (store, storage) = (self.inner.store.clone(), self.inner.files.clone());
        let shelf = Shelf { session: self.session, store, storage };
        self.answer = Some(Box::new(self.inner.model.answer_with(prompt, Arc::new(shelf))));
    }

    fn hush_model(&mut self) -> Option<(Usage, Option<String>)> {
        let answer = self.answer.take()?;
        Some((answer.usage(), answer.model().map(str::to_owned)))
    }

    fn remember(&mut self, command: Uuid) {
        let (store, session) = (self.inner.store.clone(), self.session);
        let busy = Busy::new(&self.inner.running);
        self.expect(async move {
            if let Err(error) = store.remember_command(session, command, MAX_DONE).await {
                // As long as the session is in memory it is known all the same.
                tracing::debug!(%session, %error, "a command could not be noted");
            }
            drop(busy);
            Happening::Remembered
        });
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn ticks(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }
}

/// Counts among the active runs for as long as it lives.
pub(super) struct Busy(watch::Sender<usize>);

impl Busy {
    pub(super) fn new(running: &watch::Sender<usize>) -> Busy {
        running.send_modify(|count| *count += 1);
        Busy(running.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
