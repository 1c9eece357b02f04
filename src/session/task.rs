//! The task that owns one session: it makes an event of whatever happens and lets the state handle
//! it. One `select!`, one `match`.

mod apply;
mod effects;
mod keeping;
mod library;
mod lookup;
mod tile;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;
use crate::gemini::{self, Answer};
use crate::id::Uuid;
use crate::identity::Access;
use crate::protocol::{ActKind, Control};
use crate::shutdown::Phase;
use crate::store::{Past, WriteError};

use super::handle::{Attachment, Hold, Leaving, Request, Viewer};
use super::log::ConnId;
use super::registry::{Inner, OpenError};
use super::state::{Out, State, Timer, Token};
use super::window::{MAX_BYTES, MAX_MESSAGES};
use effects::Effects;
use lookup::LookedUp;
use tile::Showing;

/// So often the model is asked first; then it is everybody else's turn.
const STRETCH: u8 = 8;
/// How long a client should wait before it tries a refused command again.
const RETRY: Duration = Duration::from_secs(2);

pub(super) async fn run(inner: Arc<Inner>, id: Uuid, requests: mpsc::Receiver<Box<Request>>) {
    let mut place = Place { inner: &inner, id, requests };
    // Boxed, so that a task that has woken does not keep the room that waking took.
    let woken = Box::pin(inner.store.wake_session(id, MAX_MESSAGES, MAX_BYTES)).await;
    let woken = match woken {
        Ok(Some(woken)) => woken,
        Ok(None) => return Box::pin(place.refuse_all(OpenError::NotFound)).await,
        Err(error) => {
            tracing::warn!(session = %id, %error, "a session could not be woken");
            return Box::pin(place.refuse_all(OpenError::Unavailable)).await;
        }
    };
    let mut task = Box::new(Task::new(&inner, State::new(woken, clock::now())));
    // Woken while the server stops: what waits, waits for the next start.
    if inner.shutdown.is_draining() {
        task.state.hold(&mut task.effects);
    }
    task.state.resume(&mut task.effects);
    task.counted();
    task.serve(&mut place.requests).await;
}

/// A task's place among the sessions in memory. It is given up however the task ends, also by a
/// fault of ours: else nobody could open the session again.
struct Place<'a> {
    inner: &'a Inner,
    id: Uuid,
    requests: mpsc::Receiver<Box<Request>>,
}

impl Place<'_> {
    fn give_up(&mut self) {
        // A request that comes in between gets no answer; sockets see the end of the log.
        self.requests.close();
        self.inner.leave(self.id);
    }

    async fn refuse_all(mut self, why: OpenError) {
        self.give_up();
        while let Some(request) = self.requests.recv().await {
            if let Request::Hello(reply) = *request {
                // Whoever asked may have gone.
                let _ = reply.send(Err(why));
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Everything that can happen to a session.
enum Happening {
    Request(Box<Request>),
    Committed(Token, Result<(), WriteError>),
    Model(gemini::Event),
    LookedUp(Box<LookedUp>),
    LookedBack(Uuid, Option<Box<Past>>),
    /// What was found for each of a run's calls.
    Found(Uuid, Vec<(Uuid, Value)>),
    /// Whether there is a library for this student.
    Library(Option<bool>),
    Remembered,
    /// Whether the session is still in PostgreSQL.
    FoundOut(bool),
    Alarm,
    Timer(Timer),
    /// There may be other signals now.
    Due,
    Phase(Phase),
}

struct Task<'a> {
    inner: &'a Inner,
    state: State,
    effects: Effects<'a>,
    /// One alarm: the next checkpoint while a run speaks, else the time to leave memory.
    alarm: Pin<Box<Sleep>>,
    alarm_is_checkpoint: bool,
    counted: bool,
    stretch: u8,
    /// Lookups on their way, and the end of the last of them.
    looking: usize,
    last_lookup: Option<oneshot::Receiver<()>>,
    showing: Showing,
}

impl<'a> Task<'a> {
    fn new(inner: &'a Inner, state: State) -> Task<'a> {
        Task {
            inner,
            effects: Effects::new(inner, state.session, state.student.id),
            state,
            alarm: Box::pin(sleep_until(Instant::now() + inner.settings.idle_after)),
            alarm_is_checkpoint: false,
            counted: false,
            stretch: 0,
            looking: 0,
            last_lookup: None,
            showing: Showing::default(),
        }
    }

    async fn serve(&mut self, requests: &mut mpsc::Receiver<Box<Request>>) {
        loop {
            match self.next(requests).await {
                Happening::Request(request) => match *request {
                    Request::Hold(hold) => {
                        if self.is_gone(hold).await {
                            return;
                        }
                    }
                    request => self.request(request),
                },
                Happening::Committed(token, result) => self.committed(token, result),
                Happening::Model(event) => self.model(event),
                Happening::LookedUp(looked_up) => self.looked_up(*looked_up),
                Happening::LookedBack(run, past) => {
                    self.effects.unsettled -= 1;
                    self.state.looked_back(&mut self.effects, run, past.map(|past| *past));
                }
                Happening::Found(run, found) => {
                    self.effects.unsettled -= 1;
                    self.state.found(&mut self.effects, run, &found);
                }
                Happening::Library(there) => {
                    self.effects.unsettled -= 1;
                    self.effects.library_known(there);
                }
                Happening::Remembered => self.effects.unsettled -= 1,
                Happening::FoundOut(is_there) => {
                    self.effects.unsettled -= 1;
                    if !is_there {
                        return self.charge_rest().await;
                    }
                }
                Happening::Alarm => {
                    if self.alarm() {
                        return;
                    }
                }
                Happening::Timer(timer) => self.state.rang(&mut self.effects, timer),
                Happening::Due => self.is_due_now(),
                Happening::Phase(phase) => self.phase(phase),
            }
            self.counted();
            self.show();
            self.set_alarm();
        }
    }

    /// What the model says comes first, as nearly everything that happens is that; but a long stretch of it
    /// keeps nobody else waiting.
    async fn next(&mut self, requests: &mut mpsc::Receiver<Box<Request>>) -> Happening {
        let Effects { pending, answer, .. } = &mut self.effects;
        self.stretch = if self.stretch < STRETCH { self.stretch + 1 } else { 0 };
        if self.stretch > 0 {
            return tokio::select! {
                biased;
                Some(event) = next_of(answer) => Happening::Model(event),
                Some(request) = requests.recv() => Happening::Request(request),
                Some(happening) = pending.next() => happening,
                () = &mut self.alarm => Happening::Alarm,
            };
        }
        tokio::select! {
            biased;
            Some(request) = requests.recv() => Happening::Request(request),
            Some(happening) = pending.next() => happening,
            Some(event) = next_of(answer) => Happening::Model(event),
            () = &mut self.alarm => Happening::Alarm,
        }
    }

    fn committed(&mut self, token: Token, result: Result<(), WriteError>) {
        self.effects.unsettled -= 1;
        match result {
            Ok(()) => self.state.committed(&mut self.effects, token),
            Err(error) => self.state.not_committed(&mut self.effects, token, &error),
        }
    }

    fn model(&mut self, event: gemini::Event) {
        match event {
            gemini::Event::Text(text) => self.state.text(&mut self.effects, &text),
            gemini::Event::Thought(text) => self.state.thought(&mut self.effects, &text),
            gemini::Event::Calls(calls) => self.state.calls(&mut self.effects, &calls),
            gemini::Event::End(end) => {
                self.effects.answer = None;
                self.state.end(&mut self.effects, end);
            }
        }
        self.showing.heard(&self.inner.board);
        if self.state.wants_checkpoint(self.inner.settings.checkpoint_bytes) {
            self.state.checkpoint(&mut self.effects);
        }
    }

    // ── Requests ────────────────────────────────────────────────────────────────────────────────

    fn request(&mut self, request: Request) {
        match request {
            // Whoever asked may have gone, in each of these.
            Request::Hello(reply) => drop(reply.send(Ok(()))),
            Request::Attach(viewer, position, reply) => drop(reply.send(self.attach(viewer, position))),
            Request::Snapshot(conn, reply) => {
                let watches = self.state.is_watcher(conn);
                let mut first = vec![Control::State(&self.state.public(watches)).frame(), self.snapshot()];
                if watches {
                    first.extend(self.state.for_tutors(clock::now()));
                }
                let cursor = self.effects.log.at_end(conn).watching(watches);
                drop(reply.send(Attachment { first, cursor }));
            }
            Request::Detach(conn, why) => self.detach(conn, why),
            Request::Claim(viewer, reply) => {
                let storage = self.storage();
                drop(reply.send(self.state.claim(&mut self.effects, &viewer, storage)));
            }
            Request::Command(viewer, command, reply) => self.command(viewer, command, reply),
            Request::ShowWatchers { org, show } if org == self.state.org => {
                self.state.show_watchers = show;
                self.state.announce(&mut self.effects);
            }
            Request::Hush(student) if student == self.state.student.id => self.state.hush(&mut self.effects),
            Request::Named(names) => self.state.named(names),
            Request::DealtWith(by, at) => self.state.dealt_with(by, at),
            Request::Hold(_) | Request::ShowWatchers { .. } | Request::Hush(_) => {}
        }
    }

    /// Holds still until a deletion is over; `true`: the session is gone.
    async fn is_gone(&mut self, hold: Hold) -> bool {
        // Whoever deletes may have given up.
        let _ = hold.still.send(());
        if hold.gone.await.is_ok() {
            self.charge_rest().await;
            return true;
        }
        // It failed; but a DELETE whose answer was lost may have gone through.
        let (store, session) = (self.inner.store.clone(), self.state.session);
        self.effects.expect(async move {
            loop {
                match store.session_exists(session).await {
                    Ok(is_there) => return Happening::FoundOut(is_there),
                    Err(error) => tracing::debug!(%session, %error, "not known whether it is still there"),
                }
                tokio::time::sleep(RETRY).await;
            }
        });
        false
    }

    /// The session has gone while the model spoke. Quotas count that as well: else they would hold only those
    /// who delete nothing.
    async fn charge_rest(&mut self) {
        let Some((used, _)) = self.effects.hush_model() else { return };
        let tokens = used.input_tokens + used.output_tokens + used.reasoning_tokens;
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        if let Err(error) = self.inner.store.charge(self.state.student.id, tokens).await {
            tracing::warn!(session = %self.state.session, %error, "what an answer used was not counted");
        }
    }

    fn attach(&mut self, viewer: Viewer, position: Option<(Uuid, u64)>) -> Attachment {
        let watches = viewer.access == Access::Observer;
        self.state.arrive(&mut self.effects, &viewer);
        if watches {
            self.note(viewer.person.id, ActKind::Joined);
        }
        let log = &self.effects.log;
        let resumed = position
            .filter(|(epoch, _)| *epoch == log.epoch)
            .and_then(|(_, seq)| log.after(viewer.conn, seq));
        let state = self.state.public(watches);
        let ready = Control::Ready {
            epoch: log.epoch,
            head: log.head(),
            resumed: resumed.is_some(),
            you: Control::you(viewer.person.id, viewer.role),
            state: &state,
        };
        let mut first = vec![ready.frame()];
        let cursor = resumed.unwrap_or_else(|| {
            first.push(self.snapshot());
            log.at_end(viewer.conn)
        });
        if watches {
            first.extend(self.state.for_tutors(clock::now()));
        }
        Attachment { first, cursor: cursor.watching(watches) }
    }

    fn detach(&mut self, conn: ConnId, why: Leaving) {
        let Some(who) = self.state.depart(&mut self.effects, conn) else { return };
        // A forgotten tab whose token has run out takes nothing from who is here with another.
        if why == Leaving::RightsEnded && !self.state.watches(who.id) {
            self.state.shut_out(&mut self.effects, who.id);
        }
        self.note(who.id, ActKind::Left);
    }

    fn snapshot(&self) -> bytes::Bytes {
        self.state.snapshot(self.effects.log.head())
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────

    /// `true`: the session leaves memory.
    fn alarm(&mut self) -> bool {
        if std::mem::take(&mut self.alarm_is_checkpoint) {
            self.state.checkpoint(&mut self.effects);
        } else if self.done() {
            if self.state.is_deserted() && self.close_signals() {
                self.alarm.as_mut().reset(Instant::now() + RETRY);
                return false;
            }
            if self.inner.leave_if_unused(self.state.session) {
                return true;
            }
            self.effects.log.forget();
        }
        self.alarm.as_mut().reset(Instant::now() + self.inner.settings.idle_after);
        false
    }

    /// Text that is in no checkpoint is written soon; the clock starts with its first byte.
    fn set_alarm(&mut self) {
        if !self.alarm_is_checkpoint && self.state.unsaved() > 0 {
            self.alarm_is_checkpoint = true;
            self.alarm.as_mut().reset(Instant::now() + self.inner.settings.checkpoint_every);
        }
    }

    /// Nothing runs, nothing waits, no tutor holds it, nothing is on its way to PostgreSQL.
    fn done(&self) -> bool {
        self.state.is_quiet() && self.state.held.by.is_none() && self.effects.unsettled == 0
    }

    fn phase(&mut self, phase: Phase) {
        self.effects.watch_phase(phase);
        if phase >= Phase::Draining {
            self.state.hold(&mut self.effects);
        }
        if phase >= Phase::Ending {
            self.state.interrupt(&mut self.effects);
        }
    }

    /// Keeps the registry's count of active runs.
    fn counted(&mut self) {
        let running = self.state.is_running();
        if running != self.counted {
            self.counted = running;
            self.inner.running.send_modify(|count| if running { *count += 1 } else { *count -= 1 });
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.effects.log.close();
        self.inner.board.gone(self.state.session, self.state.org);
        if self.counted {
            self.inner.running.send_modify(|count| *count -= 1);
        }
    }
}

async fn next_of(answer: &mut Option<Box<Answer>>) -> Option<gemini::Event> {
    match answer {
        Some(answer) => answer.next().await,
        None => None,
    }
}
