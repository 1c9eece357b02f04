//! What a session knows and how it changes: pure, every effect goes through `Out`.
//!
//! A run moves `Beginning => Speaking => Ending`, then it is gone. `Beginning` waits for the
//! commit of the question and the empty answer, `Ending` for the commit of the final text; what is
//! not committed is not announced.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::gemini::{End, Outcome, Prompt};
use crate::id::Uuid;
use crate::protocol::{
    Author, AuthorKind, Control, Edit, ErrorCode, Event, FinishReason, Message, MessageRole, Person, Send,
    SessionState, Status, Usage,
};
use crate::store::{MessageState, NewMessage, Op, Patience, Woken, WriteError};

use super::Refused;
use super::handle::Call;
use super::log::{Audience, ConnId};
use super::run::{Close, Phase, Run};
use super::window::Window;

/// Messages that may wait for their run; one more is refused with `queue_full`.
pub(super) const QUEUE: usize = 4;
/// Ids of superseded messages kept to recognise a repetition; beyond that PostgreSQL is asked.
const MAX_GONE: usize = 256;
/// The name under which the model speaks.
pub(crate) const ASSISTANT: &str = "fynq";

/// What the state makes happen outside itself.
pub(super) trait Out {
    fn event(&mut self, run: Uuid, event: &Event<'_>);
    fn control(&mut self, audience: Audience, control: &Control<'_>);
    /// `State::committed` or `State::not_committed` is called with `token` when it is known.
    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience);
    fn ask_model(&mut self, prompt: Prompt);
    /// Closes the upstream call; what it used until then.
    fn hush_model(&mut self) -> Option<(Usage, Option<String>)>;
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
struct Waiting {
    run: Uuid,
    /// `None`: the last question is answered again.
    question: Option<Message>,
    edits: Option<Uuid>,
    written: Written,
    replies: Vec<ReplyTo>,
}

/// `New => (OnItsWay | a run), OnItsWay => (Committed | refused)`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    New,
    OnItsWay,
    Committed,
}

impl Waiting {
    fn asks(&self, id: Uuid) -> bool {
        self.question.as_ref().is_some_and(|question| question.id == id)
    }
}

pub(super) struct State {
    pub(super) session: Uuid,
    student: Person,
    titled: bool,
    hand_raised: bool,
    watchers: Vec<(ConnId, Person)>,
    window: Window,
    gone: Vec<Uuid>,
    /// PostgreSQL may hold messages of this session that are not in memory.
    unseen: bool,
    ord: i64,
    queue: VecDeque<Waiting>,
    run: Option<Box<Run>>,
    /// Draining: what waits, waits for the next start.
    holding: bool,
    /// The drain's time is up: a run that begins now ends at once.
    cutting: bool,
}

impl State {
    pub(super) fn new(woken: Woken) -> State {
        let mut state = State {
            session: woken.id,
            student: Person { id: woken.student_id, name: woken.student_name },
            titled: woken.title.is_some(),
            hand_raised: woken.hand_raised,
            watchers: Vec::new(),
            window: Window { has_more: woken.has_more, ..Window::default() },
            gone: Vec::new(),
            unseen: woken.last_ord > woken.messages.len() as i64,
            ord: woken.last_ord,
            queue: VecDeque::new(),
            run: None,
            holding: false,
            cutting: false,
        };
        for woken in woken.messages {
            let message = woken.message;
            if message.status == Status::Queued {
                let (run, edits) = (message.run_id, woken.edits);
                let question = Some(message);
                let written = Written::Committed;
                state.queue.push_back(Waiting { run, question, edits, written, replies: Vec::new() });
            } else {
                state.window.push(message);
            }
        }
        state
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.run.is_none() && (self.queue.is_empty() || self.holding)
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.is_some()
    }

    // ── Commands ────────────────────────────────────────────────────────────────────────────────

    /// Whether the id is one of this session's messages in memory, superseded or not.
    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.message_of(id).is_some() || self.gone.contains(&id)
    }

    /// Whether PostgreSQL must be asked if this id was used before.
    pub(super) fn must_look_up(&self, id: Uuid) -> bool {
        (self.unseen || self.window.has_more) && !self.knows(id)
    }

    pub(super) fn send(&mut self, out: &mut impl Out, send: Send, reply: ReplyTo, storage: Result<(), Refused>) {
        let Some(reply) = self.repeated(out, send.id, reply) else { return };
        if let Err(refused) = storage.and_then(|()| self.room()) {
            return refuse(out, reply, refused, Some(send.id));
        }
        let run = crate::id::new();
        let question = self.question(send.id, run, send.text, out.now());
        let question = Some(question);
        self.accept(out, Waiting { run, question, edits: None, written: Written::New, replies: vec![reply] });
    }

    pub(super) fn edit(&mut self, out: &mut impl Out, edit: Edit, reply: ReplyTo, storage: Result<(), Refused>) {
        let Some(reply) = self.repeated(out, edit.id, reply) else { return };
        let mine = self.message_of(edit.message).is_some_and(|message| message.role == MessageRole::User);
        let checked = match mine {
            true => storage.and_then(|()| self.room()),
            false => Err(Refused::new(ErrorCode::InvalidCommand, "`message` is no question of yours in this session")),
        };
        if let Err(refused) = checked {
            return refuse(out, reply, refused, Some(edit.id));
        }
        let run = crate::id::new();
        let question = Some(self.question(edit.id, run, edit.text, out.now()));
        let edits = Some(edit.message);
        self.accept(out, Waiting { run, question, edits, written: Written::New, replies: vec![reply] });
    }

    /// `id` becomes the run's id, so that a repetition takes no second effect.
    pub(super) fn regenerate(&mut self, out: &mut impl Out, id: Uuid, reply: ReplyTo, storage: Result<(), Refused>) {
        let known = self.run.as_ref().is_some_and(|run| run.id == id)
            || self.queue.iter().any(|waiting| waiting.run == id)
            || self.window.iter().any(|message| message.run_id == id);
        if known {
            return;
        }
        let question = self.window.last_question().is_some() || self.run.is_some() || !self.queue.is_empty();
        let checked = if question {
            storage.and_then(|()| self.room())
        } else {
            Err(Refused::new(ErrorCode::InvalidCommand, "there is no question to answer again"))
        };
        if let Err(refused) = checked {
            return refuse(out, reply, refused, Some(id));
        }
        // Nothing is promised for a repetition, so nothing is kept of it while it waits.
        let written = Written::Committed;
        self.queue.push_back(Waiting { run: id, question: None, edits: None, written, replies: vec![reply] });
        self.begin_next(out, Patience::Refuse);
    }

    pub(super) fn stop(&mut self, out: &mut impl Out, reply: ReplyTo, command: Option<Uuid>) {
        match self.run.as_deref_mut() {
            Some(run) if matches!(run.phase, Phase::Beginning { .. }) => {
                run.phase = Phase::Beginning { stopped: true };
            }
            Some(run) if matches!(run.phase, Phase::Speaking { .. }) => self.end_early(out, Early::Stopped),
            _ => refuse(out, reply, Refused::plain(ErrorCode::NoActiveRun), command),
        }
    }

    pub(super) fn raise_hand(&mut self, out: &mut impl Out, raised: bool) {
        if self.hand_raised != raised {
            self.hand_raised = raised;
            out.commit(Token::Note, vec![Op::RaiseHand { session_id: self.session, raised }], Patience::Insist);
            self.announce(out);
        }
    }

    // ── Watchers ────────────────────────────────────────────────────────────────────────────────

    pub(super) fn watch(&mut self, out: &mut impl Out, conn: ConnId, who: Person) {
        self.watchers.push((conn, who));
        self.announce(out);
    }

    pub(super) fn unwatch(&mut self, out: &mut impl Out, conn: ConnId) {
        let before = self.watchers.len();
        self.watchers.retain(|(watcher, _)| *watcher != conn);
        if self.watchers.len() != before {
            self.announce(out);
        }
    }

    pub(super) fn public(&self) -> SessionState {
        let mut watchers: Vec<Person> = Vec::new();
        for (_, who) in &self.watchers {
            if !watchers.iter().any(|seen| seen.id == who.id) {
                watchers.push(who.clone());
            }
        }
        let run = self.run.as_ref().filter(|run| run.announced()).map(|run| run.id);
        SessionState { control: "ai", tutor: None, hand_raised: self.hand_raised, run, watchers }
    }

    fn announce(&self, out: &mut impl Out) {
        out.control(Audience::Everyone, &Control::State(&self.public()));
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

    // ── The queue ───────────────────────────────────────────────────────────────────────────────

    fn accept(&mut self, out: &mut impl Out, mut waiting: Waiting) {
        if self.run.is_none() && self.queue.is_empty() {
            self.queue.push_back(waiting);
            return self.begin_next(out, Patience::Refuse);
        }
        if let Some(question) = &waiting.question {
            self.ord += 1;
            let row = self.row(question, self.ord, Status::Queued, waiting.edits);
            let ops = vec![Op::Insert(row), self.touch(out, question)];
            waiting.written = Written::OnItsWay;
            out.commit(Token::Queued(question.id), ops, Patience::Refuse);
        }
        self.queue.push_back(waiting);
    }

    /// Begins the run of what waits first. A question that begins at once is written here; one
    /// that waited is there already, and moves to the end of the conversation now.
    fn begin_next(&mut self, out: &mut impl Out, patience: Patience) {
        if self.run.is_some() || self.holding {
            return;
        }
        let Some(waiting) = self.queue.pop_front_if(|waiting| waiting.written != Written::OnItsWay) else { return };
        let Waiting { run, question, edits, written, replies } = waiting;
        if question.is_none() && self.window.last_question().is_none() {
            let refused = Refused::new(ErrorCode::InvalidCommand, "there is no question to answer again");
            replies.into_iter().for_each(|reply| refuse(out, reply, refused.clone(), Some(run)));
            return self.begin_next(out, Patience::Insist);
        }
        let supersedes = match (&question, edits) {
            (_, Some(edited)) => self.window.from(edited),
            (None, None) => self.window.last_question().map(|q| self.window.after(q.id)).unwrap_or_default(),
            _ => Vec::new(),
        };
        let waited = question.is_some() && written == Written::Committed;
        let mut ops = Vec::with_capacity(4);
        if let Some(question) = &question {
            self.ord += 1;
            ops.push(match waited {
                true => Op::Begin { session_id: self.session, id: question.id, ord: self.ord },
                false => Op::Insert(self.row(question, self.ord, Status::Complete, edits)),
            });
            ops.push(self.touch(out, question));
        }
        self.ord += 1;
        let answer = self.message(crate::id::new(), run, MessageRole::Assistant, String::new(), out.now());
        ops.push(Op::Insert(self.row(&answer, self.ord, Status::Streaming, None)));
        if !supersedes.is_empty() {
            ops.push(Op::Supersede { session_id: self.session, ids: supersedes.clone() });
        }
        out.commit(Token::Begin(run), ops, if waited { Patience::Insist } else { patience });
        let mut run = Run::new(run, question, waited, answer);
        (run.replies, run.supersedes) = (replies, supersedes);
        self.run = Some(Box::new(run));
    }

    /// Draining: what has not begun waits for the next start.
    pub(super) fn hold(&mut self) {
        self.holding = true;
    }

    /// After waking: what a crash or a restart left waiting.
    pub(super) fn resume(&mut self, out: &mut impl Out) {
        self.begin_next(out, Patience::Insist);
    }

    // ── Commits ─────────────────────────────────────────────────────────────────────────────────

    pub(super) fn committed(&mut self, out: &mut impl Out, token: Token) {
        match token {
            Token::Queued(id) => {
                let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.asks(id)) else { return };
                waiting.written = Written::Committed;
                let accepted = Accepted { message: id, run: Some(waiting.run), ended: false };
                waiting.replies.drain(..).for_each(|reply| accept(out, reply, accepted));
                self.begin_next(out, Patience::Insist);
            }
            Token::Begin(run) => self.begun(out, run),
            Token::Checkpoint(run) => {
                if let Some(run) = self.run.as_deref_mut().filter(|current| current.id == run) {
                    run.checkpointed(true);
                }
            }
            Token::End(run) => self.ended(out, run, true),
            Token::Note => {}
        }
    }

    pub(super) fn not_committed(&mut self, out: &mut impl Out, token: Token, error: &WriteError) {
        let refused = Refused::from(error);
        match token {
            Token::Queued(id) => {
                let Some(at) = self.queue.iter().position(|waiting| waiting.asks(id)) else { return };
                self.titled = false;
                if let Some(waiting) = self.queue.remove(at) {
                    waiting.replies.into_iter().for_each(|reply| refuse(out, reply, refused.clone(), Some(id)));
                }
                self.begin_next(out, Patience::Insist);
            }
            Token::Begin(run) => {
                self.titled = false;
                if let Some(run) = self.run.take_if(|current| current.id == run) {
                    let command = run.question.as_ref().map_or(run.id, |question| question.id);
                    run.replies.into_iter().for_each(|reply| refuse(out, reply, refused.clone(), Some(command)));
                }
                self.begin_next(out, Patience::Insist);
            }
            // A text so far that could not be written is written again with the next one.
            Token::Checkpoint(run) => {
                if let Some(run) = self.run.as_deref_mut().filter(|current| current.id == run) {
                    run.checkpointed(false);
                }
            }
            Token::End(run) => self.ended(out, run, false),
            Token::Note => {}
        }
    }

    // ── The run ─────────────────────────────────────────────────────────────────────────────────

    fn begun(&mut self, out: &mut impl Out, id: Uuid) {
        let Some(run) = self.run.as_deref_mut().filter(|run| run.id == id) else { return };
        let stopped = matches!(run.phase, Phase::Beginning { stopped: true });
        let message = run.question.as_ref().map_or(id, |question| question.id);
        let accepted = Accepted { message, run: Some(id), ended: false };
        // A repetition is answered by its run alone.
        let replies = std::mem::take(&mut run.replies);
        if run.question.is_some() {
            replies.into_iter().for_each(|reply| accept(out, reply, accepted));
        }
        run.begin(self.session, out);
        let supersedes = std::mem::take(&mut run.supersedes);
        self.window.remove(&supersedes);
        self.forget(supersedes);
        self.announce(out);
        if stopped || self.cutting {
            return self.end_early(out, if stopped { Early::Stopped } else { Early::Interrupted });
        }
        if let Some(run) = self.run.as_deref() {
            out.ask_model(self.window.prompt(run.question.as_ref()));
        }
    }

    pub(super) fn text(&mut self, out: &mut impl Out, text: &str) {
        if let Some(run) = self.run.as_deref_mut() {
            run.text(out, text);
        }
    }

    pub(super) fn thought(&mut self, out: &mut impl Out, text: &str) {
        if let Some(run) = self.run.as_deref_mut() {
            run.thought(out, text);
        }
    }

    /// Writes the text so far, if there is new text and no earlier write of it is on its way.
    pub(super) fn checkpoint(&mut self, out: &mut impl Out) {
        let session_id = self.session;
        if let Some(run) = self.run.as_deref_mut() {
            if let Some(content) = run.checkpoint() {
                let state = MessageState {
                    session_id,
                    id: run.answer.id,
                    content,
                    status: Status::Streaming,
                    finish_reason: None,
                    error: None,
                    usage: None,
                    model: None,
                };
                out.commit(Token::Checkpoint(run.id), vec![Op::Update(state)], Patience::Refuse);
            }
        }
    }

    /// Bytes of text that are in no checkpoint.
    pub(super) fn unsaved(&self) -> usize {
        self.run.as_ref().map_or(0, |run| run.unsaved())
    }

    /// The model has said its last.
    pub(super) fn end(&mut self, out: &mut impl Out, end: End) {
        let close = match end.outcome {
            Outcome::Finished(reason) => Close::finished(Status::Complete, reason),
            Outcome::Failed { code, .. } => Close::failed(Status::Failed, code),
        };
        self.write_end(out, Close { usage: Some(end.usage), model: end.model, ..close });
    }

    /// The drain's time is up.
    pub(super) fn interrupt(&mut self, out: &mut impl Out) {
        self.cutting = true;
        self.end_early(out, Early::Interrupted);
    }

    fn end_early(&mut self, out: &mut impl Out, why: Early) {
        let (usage, model) = out.hush_model().unzip();
        let close = match why {
            Early::Stopped => Close::finished(Status::Stopped, FinishReason::Stopped),
            Early::Interrupted => Close::failed(Status::Interrupted, ErrorCode::Interrupted),
        };
        self.write_end(out, Close { usage, model: model.flatten(), ..close });
    }

    fn write_end(&mut self, out: &mut impl Out, close: Close) {
        let Some(run) = self.run.as_deref_mut() else { return };
        if !matches!(run.phase, Phase::Speaking { .. }) {
            return;
        }
        run.phase = Phase::Ending;
        let update = MessageState {
            session_id: self.session,
            id: run.answer.id,
            content: run.answer.content.as_str().into(),
            status: close.status,
            finish_reason: close.finish_reason.clone(),
            error: close.error,
            usage: close.usage,
            model: close.model.clone(),
        };
        run.close = Some(close);
        let touch = Op::Touch { session_id: self.session, title: None, at: out.now() };
        out.commit(Token::End(run.id), vec![Op::Update(update), touch], Patience::Insist);
    }

    fn ended(&mut self, out: &mut impl Out, id: Uuid, committed: bool) {
        let Some(mut run) = self.run.take_if(|run| run.id == id) else { return };
        if !committed {
            run.close = Some(Close::failed(Status::Failed, ErrorCode::Internal));
        }
        run.end(self.session, out);
        let run = *run;
        if let Some(question) = run.question {
            self.window.push(question);
        }
        self.window.push(run.answer);
        self.announce(out);
        self.begin_next(out, Patience::Insist);
    }

    // ── Odds and ends ───────────────────────────────────────────────────────────────────────────

    fn message_of(&self, id: Uuid) -> Option<&Message> {
        let run = self.run.iter().flat_map(|run| run.question.iter().chain(Some(&run.answer)));
        let waiting = self.queue.iter().filter_map(|waiting| waiting.question.as_ref());
        run.chain(waiting).find(|message| message.id == id).or_else(|| self.window.find(id))
    }

    /// Answers a repeated id; gives the reply back if the id is new.
    fn repeated(&mut self, out: &mut impl Out, id: Uuid, reply: ReplyTo) -> Option<ReplyTo> {
        // Not committed yet: the answer comes with the commit.
        if let Some(waiting) = self.queue.iter_mut().find(|w| w.asks(id) && w.written != Written::Committed) {
            waiting.replies.push(reply);
            return None;
        }
        let asks = |run: &&mut Run| run.question.as_ref().is_some_and(|question| question.id == id);
        if let Some(run) = self.run.as_deref_mut().filter(asks) {
            if !run.announced() && !run.waited {
                run.replies.push(reply);
                return None;
            }
        }
        match self.message_of(id) {
            Some(message) if message.role == MessageRole::User => {
                let run = Some(message.run_id);
                let ended = self.window.find(id).is_some();
                accept(out, reply, Accepted { message: id, run, ended });
            }
            Some(_) => {
                let refused = Refused::new(ErrorCode::InvalidCommand, "`id` is taken by another message");
                refuse(out, reply, refused, Some(id));
            }
            None if self.gone.contains(&id) => self.repeated_of_old(out, id, reply),
            None => return Some(reply),
        }
        None
    }

    /// PostgreSQL holds this id already.
    pub(super) fn repeated_of_old(&self, out: &mut impl Out, id: Uuid, reply: ReplyTo) {
        accept(out, reply, Accepted { message: id, run: None, ended: true });
    }

    fn room(&self) -> Result<(), Refused> {
        if self.holding {
            return Err(Refused::plain(ErrorCode::Draining));
        }
        // With no run active the queue is on its way into one.
        if self.queue.len() >= QUEUE { Err(Refused::plain(ErrorCode::QueueFull)) } else { Ok(()) }
    }

    fn forget(&mut self, ids: Vec<Uuid>) {
        if self.gone.len() + ids.len() > MAX_GONE {
            self.unseen = true;
            self.gone = Vec::new();
        } else {
            self.gone.extend(ids);
        }
    }

    fn question(&self, id: Uuid, run: Uuid, text: String, now: Timestamp) -> Message {
        self.message(id, run, MessageRole::User, text, now)
    }

    fn message(&self, id: Uuid, run_id: Uuid, role: MessageRole, content: String, created_at: Timestamp) -> Message {
        let (author, status) = match role {
            MessageRole::User => (
                Author { id: Some(self.student.id), name: self.student.name.clone(), kind: AuthorKind::Student },
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
            created_at,
        }
    }

    fn row(&self, message: &Message, ord: i64, status: Status, edits: Option<Uuid>) -> NewMessage {
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
        }
    }

    fn touch(&mut self, out: &impl Out, question: &Message) -> Op {
        let title = (!std::mem::replace(&mut self.titled, true)).then(|| title(&question.content));
        Op::Touch { session_id: self.session, title, at: out.now() }
    }
}

/// Why a run ends before the model is done.
enum Early {
    Stopped,
    Interrupted,
}

fn accept(out: &mut impl Out, reply: ReplyTo, accepted: Accepted) {
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
