//! What a session knows and how it changes: pure, every effect goes through `Out`.
//!
//! A run moves `Beginning => Speaking => Ending`, then it is gone. `Beginning` waits for the
//! commit of the question and the empty answer, `Ending` for the commit of the final text; what is
//! not committed is not announced.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::gemini::Prompt;
use crate::id::Uuid;
use crate::protocol::{
    Author, AuthorKind, Control, Event, Message, MessageRole, Person, SessionState, Status, Usage,
};
use crate::store::{ASSISTANT, NewMessage, Op, Patience, WAITING, Woken};

use super::Refused;
use super::handle::Call;
use super::log::{Audience, ConnId};
use super::run::Run;
use super::window::Window;

/// Messages that may wait for their run; one more is refused with `queue_full`.
pub(super) const QUEUE: usize = 4;
/// Ids of superseded messages kept to recognise a repetition; beyond that PostgreSQL is asked.
pub(super) const MAX_GONE: usize = 256;

/// Ids of commands without a message that took effect, kept to recognise a repetition.
pub(super) const MAX_DONE: usize = 64;

/// What the state makes happen outside itself.
pub(super) trait Out {
    fn event(&mut self, run: Uuid, event: &Event<'_>);
    fn control(&mut self, audience: Audience, control: &Control<'_>);
    /// `State::committed` or `State::not_committed` is called with `token` when it is known.
    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience);
    /// Asks what an edit of `question` supersedes: `State::looked_back` is called with `run` when it is
    /// known, however long that takes.
    fn look_back(&mut self, run: Uuid, question: Uuid);
    fn ask_model(&mut self, prompt: Prompt);
    /// Closes the upstream call; what it used until then.
    fn hush_model(&mut self) -> Option<(Usage, Option<String>)>;
    /// Keeps over a restart that a command without a message took effect.
    fn remember(&mut self, command: Uuid);
    fn now(&self) -> Timestamp;
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
    pub(super) hand_raised: bool,
    pub(super) watchers: Vec<(ConnId, Person)>,
    pub(super) org: Uuid,
    /// Whether the student sees them.
    pub(super) show_watchers: bool,
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
    /// Draining: what waits, waits for the next start.
    pub(super) holding: bool,
    /// The drain's time is up: a run that begins now ends at once.
    pub(super) cutting: bool,
}

impl State {
    pub(super) fn new(woken: Woken) -> State {
        let mut state = State {
            session: woken.id,
            student: Person { id: woken.student_id, name: woken.student_name },
            titled: woken.title.is_some(),
            hand_raised: woken.hand_raised,
            watchers: Vec::new(),
            org: woken.org_id,
            show_watchers: woken.show_watchers,
            window: Window::new(woken.has_more),
            gone: Vec::new(),
            done: woken.done.into_iter().rev().collect(),
            unseen: false,
            ord: woken.last_ord,
            waiting: WAITING,
            queue: VecDeque::new(),
            run: None,
            looking_back: None,
            holding: false,
            cutting: false,
        };
        let mut seen = 0;
        for woken in woken.messages {
            let message = woken.message;
            if message.status == Status::Queued {
                state.waiting = state.waiting.max(woken.ord);
                let (run, edits) = (message.run_id, woken.edits);
                let question = Some(message);
                let written = Written::Committed;
                state.queue.push_back(Waiting {
                    run,
                    question,
                    edits,
                    written,
                    replies: Vec::new(),
                    hushed: false,
                });
            } else {
                seen += 1;
                state.window.push(woken.ord, message);
            }
        }
        state.unseen = state.ord > seen;
        state
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.run.is_none() && (self.queue.is_empty() || self.holding)
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    pub(super) fn watch(&mut self, out: &mut impl Out, conn: ConnId, who: Person) {
        self.watchers.push((conn, who));
        self.announce_watchers(out);
    }

    pub(super) fn unwatch(&mut self, out: &mut impl Out, conn: ConnId) {
        let before = self.watchers.len();
        self.watchers.retain(|(watcher, _)| *watcher != conn);
        if self.watchers.len() != before {
            self.announce_watchers(out);
        }
    }

    /// Somebody came or went who watches. A student who does not see them is told nothing: the same state
    /// once more would tell as much.
    fn announce_watchers(&self, out: &mut impl Out) {
        match self.show_watchers {
            true => self.announce(out),
            false => out.control(Audience::Watching(true), &Control::State(&self.public(true))),
        }
    }

    pub(super) fn is_watcher(&self, conn: ConnId) -> bool {
        self.watchers.iter().any(|(watcher, _)| *watcher == conn)
    }

    /// As the student sees it, or as those see it who watch.
    pub(super) fn public(&self, watches: bool) -> SessionState {
        let mut watchers: Vec<Person> = Vec::new();
        let shown = if watches || self.show_watchers { &self.watchers[..] } else { &[] };
        for (_, who) in shown {
            if !watchers.iter().any(|seen| seen.id == who.id) {
                watchers.push(who.clone());
            }
        }
        let run = self.run.as_ref().filter(|run| run.announced()).map(|run| run.id);
        let hand_raised = self.hand_raised;
        SessionState { control: "ai", tutor: None, hand_raised, run, watchers, hand: None }
    }

    pub(super) fn announce(&self, out: &mut impl Out) {
        if self.show_watchers || self.watchers.is_empty() {
            return out.control(Audience::Everyone, &Control::State(&self.public(true)));
        }
        for watches in [false, true] {
            out.control(Audience::Watching(watches), &Control::State(&self.public(watches)));
        }
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
        let run = self.run.iter().flat_map(|run| run.question.iter().chain(Some(&run.answer)));
        let waiting = self.queue.iter().filter_map(|waiting| waiting.question.as_ref());
        run.chain(waiting).find(|message| message.id == id).or_else(|| self.window.find(id))
    }

    pub(super) fn question(&self, id: Uuid, run: Uuid, text: String, now: Timestamp) -> Message {
        self.message(id, run, MessageRole::User, text, now)
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
            created_at: message.created_at,
            charged: false,
        }
    }

    pub(super) fn touch(&mut self, out: &impl Out, question: &Message) -> Op {
        let title = (!std::mem::replace(&mut self.titled, true)).then(|| title(&question.content));
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
