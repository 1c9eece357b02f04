//! One answer: calls, waits, reads, and ends exactly once.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, Sleep};

use super::attach::Recipe;
use super::prompt::Body;
use super::reader::{Delta, Reader};
use super::retry::{self, Decision, Standing, Trouble};
use super::sse::{Frame, Frames, SseError};
use super::tools::{MAX_ROUNDS, Turn};
use super::transport::{ByteStream, Reply, Seat, Transport};
use super::{End, Event, Outcome};
use crate::id::Uuid;
use crate::protocol::{ErrorCode, FinishReason, Usage};

/// A tutor's answer has a few kilobytes; a model that never stops is stopped here, as `length`.
const MAX_TEXT: usize = 16 << 20;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    pub(super) whole: Duration,
    pub(super) attempts: u32,
}

/// A running answer.
pub struct Answer {
    run: Box<Run>,
}

/// ```text
/// New ─▶ (Preparing ─▶) Calling ─▶ Reading ─▶ Over
///             ▲           ▲ │        │
///             │           │ ▼        ▼        only before the student has seen a word
///             └───────── Waiting ◀───┤
///                         ▲          ▼        when the model wants to know something
///                         └─ found ─ Asking
/// ```
enum Stage {
    New,
    /// The files of the prompt are being read.
    Preparing(BoxFuture<'static, Result<Option<Body>, Trouble>>),
    Calling(BoxFuture<'static, Result<Reply, Trouble>>),
    Reading(Box<Reading>),
    Waiting {
        until: Instant,
    },
    /// Until `found`.
    Asking(Turn),
    Over,
}

struct Reading {
    frames: Frames<Pulsed>,
    pulse: Arc<Pulse>,
    _seat: Option<Seat>,
}

struct Run {
    transport: Arc<Transport>,
    limits: Limits,
    /// Of a prompt with files, from which the body is made.
    recipe: Option<Arc<Recipe>>,
    /// What lay at the endpoint was given anew.
    renewed: bool,
    /// `None`: there was nothing to answer, or it is not made yet.
    body: Option<Body>,
    stage: Stage,
    reader: Reader,
    /// One timer for every limit. It may ring early; then it is set again.
    timer: Option<Pin<Box<Sleep>>>,
    begun: Instant,
    call_begun: Instant,
    calls: u32,
    /// The stream of the current call was opened, so the model has worked on the prompt.
    accepted: bool,
    /// The student has seen words of this call.
    given: bool,
    /// So often the model has asked for something.
    rounds: u32,
    /// What the calls before this one came to: bytes of text, and tokens.
    text_before: usize,
    used_before: Usage,
    /// What one event of the stream made: a thought, a text and the end at most.
    queued: VecDeque<Event>,
}

impl Answer {
    pub(super) fn new(transport: Arc<Transport>, limits: Limits, body: Option<Body>) -> Answer {
        let now = Instant::now();
        let run = Run {
            transport,
            limits,
            recipe: None,
            renewed: false,
            body,
            stage: Stage::New,
            reader: Reader::default(),
            timer: None,
            begun: now,
            call_begun: now,
            calls: 0,
            accepted: false,
            given: false,
            rounds: 0,
            text_before: 0,
            used_before: Usage::default(),
            queued: VecDeque::new(),
        };
        Answer { run: Box::new(run) }
    }

    /// The answer to a prompt with files.
    pub(super) fn of(transport: Arc<Transport>, limits: Limits, recipe: Recipe) -> Answer {
        let mut answer = Answer::new(transport, limits, None);
        answer.run.recipe = Some(Arc::new(recipe));
        answer
    }

    /// Tokens so far: the model's last word, or an estimate. For an answer that is stopped early.
    pub fn usage(&self) -> Usage {
        self.run.usage()
    }

    /// What was found for each of the calls that `Event::Calls` told. Whoever says it polls again.
    pub fn found(&mut self, found: &[(Uuid, Value)]) {
        self.run.found(found);
    }

    /// The model's name by its own word, once known.
    pub fn model(&self) -> Option<&str> {
        self.run.reader.model()
    }
}

impl Stream for Answer {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.run.poll(cx)
    }
}

impl Run {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Poll::Ready(Some(event));
            }
            let waiting = match &mut self.stage {
                Stage::Over => return Poll::Ready(None),
                // New => (Preparing | Calling | Over)
                Stage::New => {
                    self.begun = Instant::now();
                    self.dial();
                    continue;
                }
                // Preparing => (Calling | Waiting | Over)
                Stage::Preparing(body) => match body.as_mut().poll(cx) {
                    Poll::Ready(Ok(body)) => {
                        self.prepared(body);
                        continue;
                    }
                    Poll::Ready(Err(trouble)) => {
                        self.calls += 1;
                        self.fail(trouble);
                        continue;
                    }
                    Poll::Pending => self.poll_timer(cx),
                },
                // Calling => (Reading | Waiting | Over)
                Stage::Calling(call) => match call.as_mut().poll(cx) {
                    Poll::Ready(Ok(reply)) => {
                        self.open(reply);
                        continue;
                    }
                    Poll::Ready(Err(trouble)) => {
                        self.fail(trouble);
                        continue;
                    }
                    Poll::Pending => self.poll_timer(cx),
                },
                // Reading => (Reading | Waiting | Over)
                Stage::Reading(reading) => match Pin::new(&mut reading.frames).poll_next(cx) {
                    Poll::Ready(frame) => {
                        self.read(frame);
                        continue;
                    }
                    Poll::Pending => self.poll_timer(cx),
                },
                // Waiting => (Preparing | Calling), Asking => (Calling | Over)
                Stage::Waiting { .. } | Stage::Asking(_) => self.poll_timer(cx),
            };
            if waiting.is_pending() {
                return Poll::Pending;
            }
            match self.stage {
                Stage::Waiting { .. } => self.dial(),
                _ => self.fail(Trouble::Timeout),
            }
        }
    }

    fn dial(&mut self) {
        let Some(body) = &self.body else {
            return match self.recipe.clone() {
                Some(recipe) => self.prepare(recipe),
                None => self.end(Outcome::Failed { code: ErrorCode::ModelEmpty, retry_after: None }),
            };
        };
        let call = Arc::clone(&self.transport).call(body.json.clone());
        self.stage = Stage::Calling(Box::pin(call));
        self.calls += 1;
        self.accepted = false;
        self.reader = Reader::new(self.text_before, body.offers && self.rounds < MAX_ROUNDS);
        self.call_begun = Instant::now();
        self.set_timer();
    }

    fn prepare(&mut self, recipe: Arc<Recipe>) {
        self.stage = Stage::Preparing(Box::pin(recipe.body(self.renewed)));
        self.set_timer();
    }

    fn prepared(&mut self, body: Option<Body>) {
        self.body = body;
        if self.body.is_none() {
            self.recipe = None;
        }
        self.dial();
    }

    /// The endpoint knows a file no more that lay there: it is given anew, once. Not in the middle of an answer,
    /// whose request holds what was found.
    fn is_stale(&self, trouble: &Trouble) -> bool {
        let uploaded = self.body.as_ref().is_some_and(|body| body.uploaded);
        let refused = matches!(trouble, Trouble::Refused(refusal) if matches!(refusal.status, 403 | 404));
        uploaded && refused && !self.renewed && !self.given && self.rounds == 0
    }

    fn open(&mut self, reply: Reply) {
        let pulse = Arc::new(Pulse { epoch: self.begun, last: AtomicU64::new(0) });
        let bytes = Pulsed { bytes: reply.bytes, pulse: Arc::clone(&pulse) };
        self.accepted = true;
        let reading = Reading { frames: Frames::new(bytes), pulse, _seat: reply.seat };
        self.stage = Stage::Reading(Box::new(reading));
        self.set_timer();
    }

    fn read(&mut self, frame: Option<Result<Frame, SseError<reqwest::Error>>>) {
        let trouble = match frame {
            Some(Ok(frame)) => match self.reader.take(&frame) {
                Ok(delta) => return self.give(delta),
                Err(trouble) => trouble,
            },
            None => match self.reader.asks() {
                Some(turn) => return self.ask(turn),
                None => match self.reader.outcome() {
                    Some(outcome) => return self.end(outcome),
                    None => Trouble::Ended,
                },
            },
            Some(Err(SseError::Transport(_))) => Trouble::Cut,
            Some(Err(SseError::Broken)) => Trouble::Ended,
            Some(Err(SseError::TooLong | SseError::NotEvents)) => Trouble::Unreadable,
        };
        self.fail(trouble);
    }

    fn give(&mut self, delta: Delta) {
        let Delta { thought, mut text } = delta;
        let over = self.reader.text_bytes.saturating_sub(MAX_TEXT);
        if over > 0 {
            text.truncate(text.floor_char_boundary(text.len().saturating_sub(over)));
        }
        self.given |= !thought.is_empty() || !text.is_empty();
        let may_ask = self.rounds < MAX_ROUNDS && self.body.as_ref().is_some_and(|body| body.offers);
        if self.given && !may_ask && self.recipe.take().is_some() {
            self.body.iter_mut().for_each(Body::is_done);
        }
        if !thought.is_empty() {
            self.queued.push_back(Event::Thought(thought));
        }
        if !text.is_empty() {
            self.queued.push_back(Event::Text(text));
        }
        if over > 0 {
            self.end(Outcome::Finished(FinishReason::Length));
        }
    }

    /// The model wants to know something. Its call is over, and its seat free.
    fn ask(&mut self, turn: Turn) {
        self.queued.push_back(Event::Calls(turn.calls()));
        self.stage = Stage::Asking(turn);
        self.set_timer();
    }

    fn found(&mut self, found: &[(Uuid, Value)]) {
        if !matches!(self.stage, Stage::Asking(_)) {
            return;
        }
        let Stage::Asking(turn) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        self.rounds += 1;
        let last = self.rounds >= MAX_ROUNDS;
        self.used_before = self.usage();
        self.text_before = self.reader.text_bytes;
        let next = self.body.take().and_then(|body| turn.answered(body, found, last));
        let Some(next) = next else {
            return self.end(Outcome::Failed { code: ErrorCode::Internal, retry_after: None });
        };
        self.body = Some(next);
        (self.calls, self.given) = (0, false);
        self.dial();
    }

    fn fail(&mut self, trouble: Trouble) {
        if self.is_stale(&trouble)
            && let Some(recipe) = self.recipe.clone()
        {
            self.renewed = true;
            self.body = None;
            return self.prepare(recipe);
        }
        let broke_off = matches!(trouble, Trouble::Cut | Trouble::Timeout);
        if broke_off && self.reader.is_surely_over() {
            if let Some(turn) = self.reader.asks() {
                return self.ask(turn);
            }
            if let Some(outcome) = self.reader.outcome() {
                return self.end(outcome);
            }
        }
        let left = (self.begun + self.limits.whole).saturating_duration_since(Instant::now());
        let standing =
            Standing { calls: self.calls, attempts: self.limits.attempts, left, given: self.given };
        let decision = retry::decide(&trouble, standing, rand::random());
        report(&trouble, &decision, standing);
        match decision {
            Decision::RetryIn(wait) => {
                // Dropping what is left of the call first: its seat is free while this one waits.
                self.stage = Stage::Waiting { until: Instant::now() + wait };
                self.set_timer();
            }
            Decision::Fail { code, retry_after } => self.end(Outcome::Failed { code, retry_after }),
        }
    }

    /// Dropping the stage closes whatever is open upstream.
    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Over;
        self.timer = None;
        let model = self.reader.model().map(str::to_owned);
        self.queued.push_back(Event::End(End { outcome, usage: self.usage(), model }));
        self.body.iter_mut().for_each(Body::is_done);
    }

    fn usage(&self) -> Usage {
        match &self.body {
            Some(body) if self.accepted => {
                self.used_before.and(self.reader.usage(body.unguided, body.is_guided()))
            }
            _ => self.used_before,
        }
    }

    fn deadline(&self) -> Instant {
        let first_byte = self.call_begun + self.limits.first_byte;
        let step = match &self.stage {
            Stage::Reading(reading) => match reading.pulse.last() {
                Some(last) => last + self.limits.idle,
                None => first_byte,
            },
            Stage::Waiting { until } => *until,
            // Its steps have limits of their own.
            Stage::Preparing(_) | Stage::Asking(_) => self.begun + self.limits.whole,
            _ => first_byte,
        };
        step.min(self.begun + self.limits.whole)
    }

    fn set_timer(&mut self) {
        let mut at = self.deadline();
        if matches!(self.stage, Stage::Reading(_)) {
            // The first byte may bring the deadline nearer.
            at = at.min(Instant::now() + self.limits.idle);
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    /// Ready when the deadline has passed. Bytes only move the deadline on; the timer follows
    /// when it rings, so that a chunk costs no timer.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.deadline();
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            std::task::ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// For the operator: what Google called it; never its message, the prompt or the key.
fn report(trouble: &Trouble, decision: &Decision, at: Standing) {
    let (status, word, reason) = match trouble {
        Trouble::Refused(refusal) => (refusal.status, refusal.word.as_str(), refusal.reason.as_str()),
        _ => (0, "", ""),
    };
    let call = at.calls;
    match decision {
        Decision::RetryIn(wait) => {
            tracing::warn!(
                ?trouble,
                call,
                wait_ms = wait.as_millis() as u64,
                "model call failed, trying again"
            );
        }
        // What only the operator can mend: a bad key, an unknown model, a request refused.
        Decision::Fail { .. } if (400..500).contains(&status) && !matches!(status, 408 | 429 | 499) => {
            tracing::error!(status, word, reason, "the model refuses the call");
        }
        Decision::Fail { code, .. } => {
            tracing::warn!(?trouble, call, code = code.as_str(), "model call failed");
        }
    }
}

/// When bytes last came, seen from both sides of the event reader.
struct Pulse {
    epoch: Instant,
    /// Nanoseconds since the epoch, plus one; 0: none yet.
    last: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let since = Instant::now().saturating_duration_since(self.epoch).as_nanos() as u64;
        self.last.store(since + 1, Ordering::Relaxed);
    }

    fn last(&self) -> Option<Instant> {
        let since = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.epoch + Duration::from_nanos(since))
    }
}

struct Pulsed {
    bytes: ByteStream,
    pulse: Arc<Pulse>,
}

impl Stream for Pulsed {
    type Item = Result<Bytes, reqwest::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(self.bytes.as_mut().poll_next(cx));
        self.pulse.beat();
        Poll::Ready(item)
    }
}
