//! What a session knows and how it changes: pure, every effect goes through `Out`.
//!
//! A run moves `Beginning => Speaking => Ending`, then it is gone. `Beginning` waits for the
//! commit of the question and the empty answer, `Ending` for the commit of the final text; what is
//! not committed is not announced.

use std::collections::VecDeque;

use serde_json::Value;

use crate::audit::{self, Asking};
use crate::clock::Timestamp;
use crate::gemini::Prompt;
use crate::id::Uuid;
use crate::protocol::{
    Author, AuthorKind, Control, Event, ForTutors, HandUp, Message, MessageRole, Person, Status, Usage,
};
use crate::store::{ASSISTANT, NewMessage, Op, Pace, Patience, TutorRow, WAITING, Woken};

use super::control::Held;
use super::guidance::Guidance;
use super::handle::{Call, Names};
use super::library::LookUp;
use super::log::{Audience, ConnId};
use super::presence::Telling;
use super::run::Run;
use super::says::Saying;
use super::window::Window;
use super::{Facts, Refused};

/// Messages that may wait for their run; one more is refused with `queue_full`.
pub(super) const QUEUE: usize = 4;
/// Ids of superseded messages kept to recognise a repetition; beyond that PostgreSQL is asked.
pub(super) const MAX_GONE: usize = 256;

/// Signals are made of so many of the messages with which a session wakes.
const LEARN: usize = 24;
/// Ids of commands without a message that took effect, kept to recognise a repetition.
pub(super) const MAX_DONE: usize = 64;

/// What the state makes happen outside itself.
pub(super) trait Out {
    fn event(&mut self, run: Uuid, event: &Event<'_>);
    fn control(&mut self, audience: Audience, control: &Control<'_>);
    /// What no student is told; `only`: one connection of a tutor's.
    fn tutors(&mut self, only: Option<ConnId>, what: &ForTutors<'_>);
    /// `State::committed` or `State::not_committed` is called with `token` when it is known.
    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience);
    /// As `commit`, of what is kept beside the messages.
    fn keep(&mut self, token: Token, rows: Vec<TutorRow>, patience: Patience);
    /// Writes down who did what.
    fn record(&mut self, by: Uuid, asking: &Asking, event: &audit::Event);
    /// `State::rang` is called with it, in the time that it takes.
    fn wake(&mut self, timer: Timer);
    /// Keeps how an answer streamed.
    fn pace(&mut self, answer: Uuid, pace: Pace);
    /// Asks what an edit of `question` supersedes: `State::looked_back` is called with `run` when it is
    /// known, however long that takes.
    fn look_back(&mut self, run: Uuid, question: Uuid);
    fn ask_model(&mut self, prompt: Prompt);
    /// Searches the library as this student: `State::found` is called with `run` when it is known.
    fn look_up(&mut self, run: Uuid, student: Uuid, what: Vec<LookUp>);
    /// What was found for each call of the model's.
    fn tell_model(&mut self, found: &[(Uuid, Value)]);
    /// Closes the upstream call; what it used until then.
    fn hush_model(&mut self) -> Option<(Usage, Option<String>)>;
    /// Keeps over a restart that a command without a message took effect.
    fn remember(&mut self, command: Uuid);
    fn now(&self) -> Timestamp;
    /// Milliseconds of a clock that never goes back.
    fn ticks(&self) -> u64;
}

/// What is to be thought of again after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// This absence of the tutor who holds the session has lasted.
    Lapse(u64),
    /// This absence of who said that they come to a hand.
    Claim(u64),
    /// Who came and went meanwhile is told.
    Tell,
}

/// What a commit was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A message that has to wait.
    Queued(Uuid),
    /// A run begins.
    Begin(Uuid),
    /// The text so far.
    Checkpoint(Uuid),
    /// A run ends.
    End(Uuid),
    /// A tutor's message.
    Said(Uuid),
    /// A whisper.
    Whispered(Uuid),
    /// Nobody waits for it.
    Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) message: Uuid,
    /// `None` when the message is older than what is in memory.
    pub(super) run: Option<Uuid>,
    /// The run was over before the message was sent again.
    pub(super) ended: bool,
}

/// Who waits for the answer to a command.
pub(super) enum ReplyTo {
    Conn(ConnId),
    Call(Call),
}

/// A message, or a repetition, that waits for its run.
pub(super) struct Waiting {
    pub(super) run: Uuid,
    /// `None`: the last question is answered again.
    pub(super) question: Option<Message>,
    pub(super) edits: Option<Uuid>,
    pub(super) written: Written,
    pub(super) replies: Vec<ReplyTo>,
    /// Ends as stopped when its turn comes.
    pub(super) hushed: bool,
    /// It was said to a tutor, so nobody has paid for an answer of the model's.
    pub(super) owed: bool,
}

/// `New => (OnItsWay | a run), OnItsWay => (Committed | refused)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    New,
    OnItsWay,
    Committed,
}

impl Waiting {
    pub(super) fn asks(&self, id: Uuid) -> bool {
        self.question.as_ref().is_some_and(|question| question.id == id)
    }
}

pub(super) struct State {
    pub(super) session: Uuid,
    pub(super) student: Person,
    pub(super) titled: bool,
    pub(super) hand: Option<HandUp>,
    /// The student's own connections.
    pub(super) own: Vec<ConnId>,
    pub(super) watchers: Vec<(ConnId, Person)>,
    pub(super) org: Uuid,
    /// Whether the student sees them.
    pub(super) show_watchers: bool,
    pub(super) telling: Telling,
    pub(super) held: Held,
    pub(super) guidance: Guidance,
    /// Tutors' messages on their way to PostgreSQL; at most a few, see `says`.
    pub(super) saying: Vec<Saying>,
    pub(super) facts: Facts,
    pub(super) title: Option<String>,
    pub(super) subject: Option<String>,
    /// Questions that were asked, as far as this is known.
    pub(super) turns: u64,
    pub(super) active_at: Timestamp,
    /// Something that a roster shows is not as it was.
    pub(super) changed: bool,
    pub(super) window: Window,
    pub(super) gone: Vec<Uuid>,
    pub(super) done: VecDeque<Uuid>,
    /// PostgreSQL may hold messages of this session that are not in memory.
    pub(super) unseen: bool,
    /// The last place in the conversation.
    pub(super) ord: i64,
    /// The last place among what waits.
    pub(super) waiting: i64,
    pub(super) queue: VecDeque<Waiting>,
    pub(super) run: Option<Box<Run>>,
    /// The run of the edit that waits first, while PostgreSQL is asked what it supersedes.
    pub(super) looking_back: Option<Uuid>,
    /// It has changed meanwhile: PostgreSQL is asked again.
    pub(super) look_again: bool,
    /// Draining: what waits, waits for the next start.
    pub(super) holding: bool,
    /// The drain's time is up: a run that begins now ends at once.
    pub(super) cutting: bool,
}

impl State {
    pub(super) fn new(woken: Woken, now: Timestamp) -> State {
        let mut facts = Facts::new(woken.title.as_deref(), woken.subject.as_deref(), now);
        facts.hand(woken.hand.as_ref().map(|hand| hand.since));
        if let Some((by, at)) = woken.dealt_with {
            facts.safety_dealt_with(by, at);
        }
        let mut state = State {
            session: woken.id,
            student: Person { id: woken.student_id, name: woken.student_name },
            titled: woken.title.is_some(),
            hand: woken.hand,
            own: Vec::new(),
            watchers: Vec::new(),
            org: woken.org_id,
            show_watchers: woken.show_watchers,
            telling: Telling::default(),
            held: Held::new(woken.held.map(|(holder, _)| holder), woken.control_epoch),
            guidance: Guidance::new(woken.whispers),
            saying: Vec::new(),
            facts,
            title: woken.title,
            subject: woken.subject,
            turns: 0,
            active_at: now,
            changed: true,
            window: Window::new(woken.has_more),
            gone: Vec::new(),
            done: woken.done.into_iter().rev().collect(),
            unseen: false,
            ord: woken.last_ord,
            waiting: WAITING,
            queue: VecDeque::new(),
            run: None,
            looking_back: None,
            look_again: false,
            holding: false,
            cutting: false,
        };
        let mut seen = 0;
        let learned = woken.messages.len().saturating_sub(LEARN);
        let (hushed, woken_owed) = (woken.silent, woken.owed);
        for (at, woken) in woken.messages.into_iter().enumerate() {
            let message = woken.message;
            if message.status == Status::Queued {
                state.waiting = state.waiting.max(woken.ord);
                let (run, edits) = (message.run_id, woken.edits);
                let question = Some(message);
                let owed = question.as_ref().is_some_and(|question| woken_owed.contains(&question.id));
                let (written, replies) = (Written::Committed, Vec::new());
                state.queue.push_back(Waiting { run, question, edits, written, replies, hushed, owed });
            } else {
                seen += 1;
                state.learn(&message, at >= learned);
                state.window.push(woken.ord, message);
            }
        }
        state.unseen = state.ord > seen;
        state
    }

    pub(super) fn named(&mut self, names: Names) {
        if let Some(title) = names.title {
            self.titled = title.is_some();
            self.title = title;
        }
        if let Some(subject) = names.subject {
            self.subject = subject;
        }
        self.facts.named(self.title.as_deref(), self.subject.as_deref());
        self.changed = true;
    }

    pub(super) fn dealt_with(&mut self, by: Person, at: Timestamp) {
        self.facts.safety_dealt_with(by, at);
        self.changed = true;
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.run.is_none() && (self.queue.is_empty() || self.holding)
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    /// The `snapshot` frame as of the log's head.
    pub(super) fn snapshot(&self, head: u64) -> bytes::Bytes {
        let mut messages: Vec<&Message> = self.window.iter().collect();
        if let Some(run) = self.run.as_deref() {
            messages.extend(run.visible());
        }
        let waiting = self.queue.iter().filter(|waiting| waiting.written == Written::Committed);
        messages.extend(waiting.filter_map(|waiting| waiting.question.as_ref()));
        Control::Snapshot { head, messages: &messages, has_more: self.window.has_more }.frame()
    }

    pub(super) fn message_of(&self, id: Uuid) -> Option<&Message> {
        let run = self.run.iter().flat_map(|run| run.messages());
        let saying = self.saying.iter().map(|saying| &saying.message);
        let waiting = self.queue.iter().filter_map(|waiting| waiting.question.as_ref());
        run.chain(waiting).chain(saying).find(|message| message.id == id).or_else(|| self.window.find(id))
    }

    /// The newest message with words that the log has announced.
    pub(super) fn newest(&self) -> Option<&Message> {
        let run = self.run.iter().flat_map(|run| run.visible());
        let kept = self.window.iter().rev().find(|message| !message.content.is_empty());
        run.filter(|message| !message.content.is_empty()).last().or(kept)
    }

    pub(super) fn question(
        &self,
        (id, run): (Uuid, Uuid),
        text: String,
        files: Vec<Uuid>,
        now: Timestamp,
    ) -> Message {
        Message { files, ..self.message(id, run, MessageRole::User, text, now) }
    }

    pub(super) fn message(
        &self,
        id: Uuid,
        run_id: Uuid,
        role: MessageRole,
        content: String,
        created_at: Timestamp,
    ) -> Message {
        let (author, status) = match role {
            MessageRole::User => (
                Author {
                    id: Some(self.student.id),
                    name: self.student.name.clone(),
                    kind: AuthorKind::Student,
                },
                Status::Queued,
            ),
            MessageRole::Assistant => {
                (Author { id: None, name: ASSISTANT.into(), kind: AuthorKind::Assistant }, Status::Streaming)
            }
        };
        Message {
            id,
            session_id: self.session,
            run_id,
            role,
            author,
            content,
            status,
            finish_reason: None,
            error: None,
            usage: None,
            model: None,
            files: Vec::new(),
            corrects: None,
            corrected_by: None,
            edits: None,
            created_at,
        }
    }

    pub(super) fn row(&self, message: &Message, ord: i64, status: Status, edits: Option<Uuid>) -> NewMessage {
        NewMessage {
            session_id: message.session_id,
            id: message.id,
            ord,
            run_id: message.run_id,
            role: message.role,
            author_id: message.author.id,
            author_kind: message.author.kind,
            content: message.content.as_str().into(),
            status,
            edits,
            files: message.files.as_slice().into(),
            created_at: message.created_at,
            charged: false,
        }
    }

    pub(super) fn touch(&mut self, out: &impl Out, question: &Message) -> Op {
        // One that is nothing but files gives no title; the next one does.
        let title = (!self.titled).then(|| title(&question.content)).filter(|title| !title.is_empty());
        if title.is_some() {
            self.titled = true;
            self.title.clone_from(&title);
            self.facts.named(self.title.as_deref(), self.subject.as_deref());
        }
        Op::Touch { session_id: self.session, title, at: out.now() }
    }
}

pub(super) fn accept(out: &mut impl Out, reply: ReplyTo, accepted: Accepted) {
    match reply {
        ReplyTo::Conn(conn) => out.control(Audience::Only(conn), &Control::Accepted { id: accepted.message }),
        ReplyTo::Call(call) => call.accept(accepted),
    }
}

pub(super) fn refuse(out: &mut impl Out, reply: ReplyTo, refused: Refused, command: Option<Uuid>) {
    match reply {
        ReplyTo::Conn(conn) => {
            let id = command.map(|id| id.to_string());
            let frame = Control::Error {
                code: refused.code,
                message: &refused.message,
                command_id: id.as_deref(),
                retry_after_ms: refused.retry_after_ms,
            };
            out.control(Audience::Only(conn), &frame);
        }
        ReplyTo::Call(call) => call.refuse(refused),
    }
}

/// A session without a title takes its first question's beginning.
fn title(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let cut: String = line.chars().take(LONGEST).collect();
    let words = cut.rsplit_once(char::is_whitespace).map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end())
}
