//! What a student's commands do to the state. A command that is refused changes nothing.

use crate::id::Uuid;
use crate::protocol::{AuthorKind, Edit, ErrorCode, HandUp, Message, MessageRole, Send, Status};
use crate::store::{NewMessage, Op, Patience, Sent};

use super::Refused;
use super::run::{Phase, Run};
use super::state::{Accepted, MAX_DONE, Out, QUEUE, ReplyTo, State, Token, Waiting, Written, accept, refuse};
use super::turns::Early;

impl State {
    /// Whether the id is one of this session's messages in memory, superseded or not.
    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.message_of(id).is_some() || self.gone.contains(&id)
    }

    /// Whether PostgreSQL must be asked if this id was used before.
    pub(super) fn must_look_up(&self, id: Uuid) -> bool {
        let may_be_there = self.unseen || self.window.has_more || self.gone.contains(&id);
        may_be_there && self.message_of(id).is_none()
    }

    pub(super) fn send(
        &mut self,
        out: &mut impl Out,
        send: Send,
        reply: ReplyTo,
        storage: Result<(), Refused>,
    ) {
        let Some(reply) = self.repeated(out, send.id, self.students(false), reply) else { return };
        if let Err(refused) = storage.and_then(|()| self.room()) {
            return refuse(out, reply, refused, Some(send.id));
        }
        let run = crate::id::new();
        let question = self.question((send.id, run), send.text, send.files, out.now());
        let question = Some(question);
        self.accept(out, waiting(run, question, None, (Written::New, vec![reply])));
    }

    /// `stands`: PostgreSQL was asked and holds `message`, a question that is not superseded, with these files.
    pub(super) fn edit(
        &mut self,
        out: &mut impl Out,
        edit: Edit,
        reply: ReplyTo,
        storage: Result<(), Refused>,
        stands: Option<Vec<Uuid>>,
    ) {
        let Some(reply) = self.repeated(out, edit.id, self.students(true), reply) else { return };
        // Its files, if it is the student's own question.
        let mine = match self.message_of(edit.message) {
            Some(message) => (message.role == MessageRole::User).then(|| message.files.clone()),
            None => stands.filter(|_| !self.gone.contains(&edit.message)),
        };
        let not_mine =
            || Refused::new(ErrorCode::InvalidCommand, "`message` is no question of yours in this session");
        let checked = mine.ok_or_else(not_mine);
        let had = match checked.and_then(|had| storage.and_then(|()| self.room()).map(|()| had)) {
            Ok(had) => had,
            Err(refused) => return refuse(out, reply, refused, Some(edit.id)),
        };
        let run = crate::id::new();
        let edits = Some(edit.message);
        let question = self.question((edit.id, run), edit.text, edit.files.unwrap_or(had), out.now());
        let question = Some(Message { edits, ..question });
        self.accept(out, waiting(run, question, edits, (Written::New, vec![reply])));
    }

    /// `id` becomes the run's id, so that a repetition takes no second effect.
    pub(super) fn regenerate(
        &mut self,
        out: &mut impl Out,
        id: Uuid,
        reply: ReplyTo,
        storage: Result<(), Refused>,
    ) {
        let known = self.run.as_ref().is_some_and(|run| run.id == id)
            || self.queue.iter().any(|waiting| waiting.run == id)
            || self.window.iter().any(|message| message.run_id == id)
            || self.is_done(Some(id));
        if known {
            return;
        }
        let question = self.window.last_question().is_some() || self.run.is_some() || !self.queue.is_empty();
        let checked = if self.held.by.is_some() {
            Err(self.held.refusal())
        } else if question {
            storage.and_then(|()| self.room())
        } else {
            Err(Refused::new(ErrorCode::InvalidCommand, "there is no question to answer again"))
        };
        if let Err(refused) = checked {
            return refuse(out, reply, refused, Some(id));
        }
        // Nothing is promised for a repetition, so nothing is kept of it while it waits.
        let kept = (Written::Committed, vec![reply]);
        self.queue.push_back(waiting(id, None, None, kept));
        self.begin_next(out, Patience::Refuse);
    }

    /// `true`: something ends by it.
    pub(super) fn stop(&mut self, out: &mut impl Out, reply: ReplyTo, command: Option<Uuid>) -> bool {
        // Sent again by a client that came back, it must not stop the run after the one it meant.
        if self.is_done(command) {
            return false;
        }
        // Where nobody but people speak there is nothing to stop.
        match self.run.as_deref_mut().filter(|run| run.answer.is_some()) {
            Some(Run { phase: Phase::Beginning { early }, .. }) if *early != Some(Early::TakenOver) => {
                *early = Some(Early::Stopped);
                self.done(out, command);
                true
            }
            Some(run) if matches!(run.phase, Phase::Speaking { .. }) => {
                self.done(out, command);
                self.end_early(out, Early::Stopped);
                true
            }
            _ => {
                refuse(out, reply, Refused::plain(ErrorCode::NoActiveRun), command);
                false
            }
        }
    }

    /// The student may put no questions any more: what runs stops, and what waits is not put to the model.
    pub(super) fn hush(&mut self, out: &mut impl Out) {
        self.drop_repetitions(out, &Refused::plain(ErrorCode::NotAllowed));
        self.queue.iter_mut().for_each(|waiting| waiting.hushed = true);
        match self.run.as_deref_mut() {
            Some(Run { phase: Phase::Beginning { early }, .. }) => *early = early.or(Some(Early::Stopped)),
            Some(run) if matches!(run.phase, Phase::Speaking { .. }) => self.end_early(out, Early::Stopped),
            _ => {}
        }
    }

    pub(super) fn raise_hand(
        &mut self,
        out: &mut impl Out,
        raised: bool,
        reply: ReplyTo,
        command: Option<Uuid>,
        storage: Result<(), Refused>,
    ) {
        if self.hand.is_some() == raised || self.is_done(command) {
            return;
        }
        // What is insisted on is kept until PostgreSQL is back: not as often as somebody cares to wave.
        if let Err(refused) = storage {
            return refuse(out, reply, refused, command);
        }
        self.done(out, command);
        self.hand = raised.then(|| HandUp { since: out.now(), claimed_by: None });
        self.facts.hand(self.hand.as_ref().map(|hand| hand.since));
        out.commit(Token::Note, vec![Op::RaiseHand { session_id: self.session, raised }], Patience::Insist);
        self.announce(out);
    }

    fn accept(&mut self, out: &mut impl Out, mut waiting: Waiting) {
        // What reaches back beyond the window waits for PostgreSQL, so it is kept there first.
        let is_here = waiting.edits.is_none_or(|edited| self.window.place_of(edited).is_some());
        if self.run.is_none() && self.queue.is_empty() && is_here {
            self.queue.push_back(waiting);
            return self.begin_next(out, Patience::Refuse);
        }
        if let Some(question) = &waiting.question {
            self.waiting += 1;
            let row = self.row(question, self.waiting, Status::Queued, waiting.edits);
            let row = NewMessage { charged: self.held.by.is_none(), ..row };
            let ops = vec![Op::Insert(row), self.touch(out, question)];
            waiting.written = Written::OnItsWay;
            waiting.owed = self.held.by.is_some();
            out.commit(Token::Queued(question.id), ops, Patience::Refuse);
        }
        self.queue.push_back(waiting);
    }

    /// How a question of the student's is sent.
    fn students(&self, replaces: bool) -> Sent {
        Sent { by: Some(self.student.id), kind: AuthorKind::Student, replaces }
    }

    /// Answers a repeated id; gives the reply back if the id is new.
    fn repeated(&mut self, out: &mut impl Out, id: Uuid, sent: Sent, reply: ReplyTo) -> Option<ReplyTo> {
        let is_it = |question: &Option<Message>| {
            question.as_ref().is_some_and(|question| question.id == id && Sent::from(question) == sent)
        };
        // Not committed yet: the answer comes with the commit.
        let mut waiting = self.queue.iter_mut().filter(|waiting| waiting.written != Written::Committed);
        if let Some(waiting) = waiting.find(|waiting| is_it(&waiting.question)) {
            waiting.replies.push(reply);
            return None;
        }
        if let Some(run) = self.run.as_deref_mut().filter(|run| is_it(&run.question))
            && !run.announced()
            && !run.waited
        {
            run.replies.push(reply);
            return None;
        }
        let Some(message) = self.message_of(id) else { return Some(reply) };
        match Sent::from(message) == sent {
            true => {
                let run = Some(message.run_id);
                let ended = self.window.find(id).is_some();
                accept(out, reply, Accepted { message: id, run, ended });
            }
            false => taken(out, reply, id),
        }
        None
    }

    /// PostgreSQL holds this id already, of a message that was sent like `before`.
    pub(super) fn repeated_of_old(
        &self,
        out: &mut impl Out,
        id: Uuid,
        (sent, before): (Sent, Sent),
        reply: ReplyTo,
    ) {
        match sent == before {
            true => accept(out, reply, Accepted { message: id, run: None, ended: true }),
            false => taken(out, reply, id),
        }
    }

    /// Whether a command without a message of its own has taken effect already.
    pub(super) fn is_done(&self, command: Option<Uuid>) -> bool {
        command.is_some_and(|id| self.done.contains(&id))
    }

    pub(super) fn done(&mut self, out: &mut impl Out, command: Option<Uuid>) {
        let Some(id) = command else { return };
        out.remember(id);
        if self.done.len() == MAX_DONE {
            self.done.pop_front();
        }
        self.done.push_back(id);
    }

    fn room(&self) -> Result<(), Refused> {
        if self.holding {
            return Err(Refused::plain(ErrorCode::Draining));
        }
        // With no run active the queue is on its way into one.
        if self.queue.len() >= QUEUE { Err(Refused::plain(ErrorCode::QueueFull)) } else { Ok(()) }
    }
}

/// Somebody else's id, or one of another kind of command.
pub(super) fn taken(out: &mut impl Out, reply: ReplyTo, id: Uuid) {
    let refused = Refused::new(ErrorCode::InvalidCommand, "`id` is taken by another message");
    refuse(out, reply, refused, Some(id));
}

fn waiting(
    run: Uuid,
    question: Option<Message>,
    edits: Option<Uuid>,
    (written, replies): (Written, Vec<ReplyTo>),
) -> Waiting {
    Waiting { run, question, edits, written, replies, hushed: false, owed: false }
}
