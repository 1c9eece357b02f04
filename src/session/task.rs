//! The task that owns one session: it makes an event of whatever happens and lets the state handle
//! it. One `next`, one `match`.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::{self, Timestamp};
use crate::gemini::{self, Answer, Prompt};
use crate::id::Uuid;
use crate::identity::Access;
use crate::protocol::{Command, Control, ErrorCode, Event, Usage};
use crate::shutdown::Phase;
use crate::store::{Op, Patience, StoreError, WriteError};

use super::Refused;
use super::handle::{Asking, Attachment, Call, Request, Viewer};
use super::log::{Audience, Log};
use super::registry::{Inner, OpenError};
use super::state::{Out, ReplyTo, State, Token, refuse};
use super::window::{MAX_BYTES, MAX_MESSAGES};

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
    let mut task = Box::new(Task::new(&inner, State::new(woken)));
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
    Alarm,
    Phase(Phase),
}

/// A question whose id PostgreSQL was asked about first.
struct LookedUp {
    viewer: Viewer,
    command: Command,
    reply: ReplyTo,
    known: Result<bool, StoreError>,
}

struct Task<'a> {
    inner: &'a Inner,
    state: State,
    effects: Effects<'a>,
    /// One alarm: the next checkpoint while a run speaks, else the time to leave memory.
    alarm: Pin<Box<Sleep>>,
    alarm_is_checkpoint: bool,
    /// The last thing that happened was a word of the model.
    spoke: bool,
    counted: bool,
    /// Lookups on their way, and the end of the last of them.
    looking: usize,
    last_lookup: Option<oneshot::Receiver<()>>,
}

/// The state's hands.
struct Effects<'a> {
    inner: &'a Inner,
    log: Arc<Log>,
    /// What the task waits for beside its mailbox and the model: only what has happened is polled.
    pending: FuturesUnordered<BoxFuture<'static, Happening>>,
    /// Those of them that the session must see through: all but the wait for the drain.
    unsettled: usize,
    answer: Option<Box<Answer>>,
}

impl Out for Effects<'_> {
    fn event(&mut self, run: Uuid, event: &Event<'_>) {
        self.log.append(run, event);
    }

    fn control(&mut self, audience: Audience, control: &Control<'_>) {
        self.log.control(audience, control);
    }

    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience) {
        let writer = self.inner.store.writer().clone();
        self.expect(async move { Happening::Committed(token, writer.commit(ops, patience).await) });
    }

    fn ask_model(&mut self, prompt: Prompt) {
        self.answer = Some(Box::new(self.inner.model.answer(prompt)));
    }

    fn hush_model(&mut self) -> Option<(Usage, Option<String>)> {
        let answer = self.answer.take()?;
        Some((answer.usage(), answer.model().map(str::to_owned)))
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }
}

impl Effects<'_> {
    fn expect(&mut self, happening: impl Future<Output = Happening> + Send + 'static) {
        self.unsettled += 1;
        self.pending.push(happening.boxed());
    }

    fn watch_phase(&mut self, seen: Phase) {
        let mut shutdown = self.inner.shutdown.clone();
        self.pending.push(async move { Happening::Phase(shutdown.moved_past(seen).await) }.boxed());
    }
}

impl<'a> Task<'a> {
    fn new(inner: &'a Inner, state: State) -> Task<'a> {
        let log = Log::new(inner.settings.log_bytes);
        let mut effects =
            Effects { inner, log, pending: FuturesUnordered::new(), unsettled: 0, answer: None };
        effects.watch_phase(Phase::Serving);
        Task {
            inner,
            state,
            effects,
            alarm: Box::pin(sleep_until(Instant::now() + inner.settings.idle_after)),
            alarm_is_checkpoint: false,
            spoke: false,
            counted: false,
            looking: 0,
            last_lookup: None,
        }
    }

    async fn serve(&mut self, requests: &mut mpsc::Receiver<Box<Request>>) {
        loop {
            match self.next(requests).await {
                Happening::Request(request) => {
                    if let Request::Remove = *request {
                        return;
                    }
                    self.request(*request);
                }
                Happening::Committed(token, result) => self.committed(token, result),
                Happening::Model(event) => self.model(event),
                Happening::LookedUp(looked_up) => self.looked_up(*looked_up),
                Happening::Alarm => {
                    if self.alarm() {
                        return;
                    }
                }
                Happening::Phase(phase) => self.phase(phase),
            }
            self.counted();
            self.set_alarm();
        }
    }

    /// What the task was woken for is mostly a word of the model: that is looked for first, and the
    /// rest once more before the next word, so that a model that never pauses keeps nobody waiting.
    async fn next(&mut self, requests: &mut mpsc::Receiver<Box<Request>>) -> Happening {
        let Effects { pending, answer, .. } = &mut self.effects;
        let (alarm, spoke) = (&mut self.alarm, &mut self.spoke);
        poll_fn(|cx| {
            let rest_first = std::mem::take(spoke);
            if !rest_first && let Poll::Ready(Some(event)) = poll_answer(answer, cx) {
                *spoke = true;
                return Poll::Ready(Happening::Model(event));
            }
            if let Poll::Ready(Some(request)) = requests.poll_recv(cx) {
                return Poll::Ready(Happening::Request(request));
            }
            if let Poll::Ready(Some(happening)) = pending.poll_next_unpin(cx) {
                return Poll::Ready(happening);
            }
            if rest_first && let Poll::Ready(Some(event)) = poll_answer(answer, cx) {
                *spoke = true;
                return Poll::Ready(Happening::Model(event));
            }
            alarm.as_mut().poll(cx).map(|()| Happening::Alarm)
        })
        .await
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
            gemini::Event::End(end) => {
                self.effects.answer = None;
                self.state.end(&mut self.effects, end);
            }
        }
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
                let first = vec![Control::State(&self.state.public()).frame(), self.snapshot()];
                drop(reply.send(Attachment { first, cursor: self.effects.log.at_end(conn) }));
            }
            Request::Detach(conn) => self.state.unwatch(&mut self.effects, conn),
            Request::Command(viewer, command, reply) => self.command(viewer, command, reply),
            Request::Remove => {}
        }
    }

    fn attach(&mut self, viewer: Viewer, position: Option<(Uuid, u64)>) -> Attachment {
        if viewer.access == Access::Observer {
            self.state.watch(&mut self.effects, viewer.conn, viewer.person.clone());
        }
        let log = &self.effects.log;
        let resumed = position
            .filter(|(epoch, _)| *epoch == log.epoch)
            .and_then(|(_, seq)| log.after(viewer.conn, seq));
        let state = self.state.public();
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
        Attachment { first, cursor }
    }

    fn snapshot(&self) -> bytes::Bytes {
        self.state.snapshot(self.effects.log.head())
    }

    fn command(&mut self, viewer: Viewer, command: Command, call: Option<Asking>) {
        let id = match &command {
            Command::Send(send) => Some(send.id),
            Command::Edit(edit) => Some(edit.id),
            _ => None,
        };
        let log = &self.effects.log;
        let reply = match call {
            None => ReplyTo::Conn(viewer.conn),
            Some(reply) if id.is_some_and(|id| self.state.knows(id)) => {
                ReplyTo::Call(Call { reply, cursor: log.at_start(0) })
            }
            Some(reply) => ReplyTo::Call(Call { reply, cursor: log.at_end(0) }),
        };
        let id = id.filter(|id| viewer.access == Access::Owner && self.state.must_look_up(*id));
        let speaks = matches!(command, Command::Send(_) | Command::Edit(_) | Command::Regenerate(_));
        if id.is_some() || (speaks && self.looking > 0) {
            self.look_up(id, viewer, command, reply);
        } else {
            self.apply(viewer, command, reply);
        }
    }

    /// Asks PostgreSQL whether `id` was used before. What is said meanwhile waits behind the question:
    /// messages keep the order in which they came.
    fn look_up(&mut self, id: Option<Uuid>, viewer: Viewer, command: Command, reply: ReplyTo) {
        let (store, session) = (self.inner.store.clone(), self.state.session);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_lookup.replace(over);
        self.looking += 1;
        self.effects.expect(async move {
            let known = match id {
                Some(id) => store.message_exists(session, id).await,
                None => Ok(false),
            };
            if let Some(before) = before {
                // Nothing is ever sent: it ends with the one before.
                let _ = before.await;
            }
            drop(mine);
            Happening::LookedUp(Box::new(LookedUp { viewer, command, reply, known }))
        });
    }

    fn looked_up(&mut self, looked_up: LookedUp) {
        self.effects.unsettled -= 1;
        self.looking -= 1;
        let LookedUp { viewer, command, reply, known } = looked_up;
        match (known, command.id()) {
            (Ok(true), Some(id)) => self.state.repeated_of_old(&mut self.effects, id, reply),
            (Ok(_), _) => self.apply(viewer, command, reply),
            (Err(_), id) => refuse(&mut self.effects, reply, Refused::unavailable(RETRY), id),
        }
    }

    /// Does what a command says, if this person may say it.
    fn apply(&mut self, viewer: Viewer, command: Command, reply: ReplyTo) {
        let owner = viewer.access == Access::Owner;
        let (state, effects) = (&mut self.state, &mut self.effects);
        let storage = match self.inner.store.writer().is_up() {
            true => Ok(()),
            false => Err(Refused::unavailable(RETRY)),
        };
        match command {
            Command::Send(send) if owner => state.send(effects, send, reply, storage),
            Command::Edit(edit) if owner => state.edit(effects, edit, reply, storage),
            Command::Regenerate(id) if owner => state.regenerate(effects, id, reply, storage),
            Command::Stop(id) => state.stop(effects, reply, id),
            Command::RaiseHand(id) if owner => state.raise_hand(effects, true, reply, id, storage),
            Command::LowerHand(id) => state.raise_hand(effects, false, reply, id, storage),
            Command::Typing => {
                effects.control(Audience::Others(viewer.conn), &Control::Typing { who: &viewer.person });
            }
            other => {
                refuse(effects, reply, Refused::plain(ErrorCode::NotAllowed), other.id());
            }
        }
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────

    /// `true`: the session leaves memory.
    fn alarm(&mut self) -> bool {
        if std::mem::take(&mut self.alarm_is_checkpoint) {
            self.state.checkpoint(&mut self.effects);
        } else if self.done() {
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

    /// Nothing runs, nothing waits, nothing is on its way to PostgreSQL.
    fn done(&self) -> bool {
        self.state.is_quiet() && self.effects.unsettled == 0
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
        if self.counted {
            self.inner.running.send_modify(|count| *count -= 1);
        }
    }
}

fn poll_answer(answer: &mut Option<Box<Answer>>, cx: &mut Context<'_>) -> Poll<Option<gemini::Event>> {
    answer.as_mut().map_or(Poll::Pending, |answer| answer.poll_next_unpin(cx))
}
