//! What a tutor says to the student: a message of the conversation, in a run of its own or inside the active
//! one. A correction is one that replaces an answer; both stay.

use crate::audit::Event;
use crate::id::Uuid;
use crate::protocol::{ActKind, Author, AuthorKind, ErrorCode, Message, MessageRole, Status};
use crate::store::{Op, Patience, Sent};

use super::Refused;
use super::commands::taken;
use super::handle::Viewer;
use super::run::{Phase, Run};
use super::state::{Accepted, Out, ReplyTo, State, Token, accept, refuse};

/// Messages of tutors that may be on their way to PostgreSQL; one more is refused with `queue_full`.
const MOST: usize = 16;

/// Messages of tutors in one run, of which a snapshot shows all; one more is refused with `queue_full`.
const MOST_IN_A_RUN: usize = 64;

/// One that is on its way to PostgreSQL.
pub(super) struct Saying {
    pub(super) message: Message,
    ord: i64,
    replies: Vec<ReplyTo>,
    by: Viewer,
}

/// What a tutor wants to say.
pub(super) struct Words {
    pub(super) id: Uuid,
    pub(super) text: String,
    /// The answer that it replaces.
    pub(super) corrects: Option<Uuid>,
    /// PostgreSQL was asked and holds `corrects`, an answer that is not superseded.
    pub(super) stands: bool,
}

impl State {
    pub(super) fn say(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        words: Words,
        storage: Result<(), Refused>,
    ) {
        let (id, reply) = (words.id, ReplyTo::Conn(by.conn));
        let sent = tutors_words(by.person.id, words.corrects.is_some());
        let Some(reply) = self.said_before(out, id, sent, reply) else { return };
        let may = self.may_say(&words).and(storage);
        if let Err(refused) = may {
            return refuse(out, reply, refused, Some(id));
        }
        let run = match self.run.as_deref_mut() {
            Some(run) => run,
            None => {
                // What an edit asks about the past meanwhile would not hold this message.
                self.look_again = self.looking_back.is_some();
                self.run.insert(Box::new(Run::human(crate::id::new(), None, self.ord, self.held.epoch)))
            }
        };
        run.saying += 1;
        let run = run.id;
        let Words { text, corrects, .. } = words;
        self.ord += 1;
        let message = self.tutors(by, id, run, text, corrects, out);
        let row = self.row(&message, self.ord, Status::Complete, corrects);
        let touch = Op::Touch { session_id: self.session, title: None, at: out.now() };
        out.commit(Token::Said(id), vec![Op::Insert(row), touch], Patience::Refuse);
        self.saying.push(Saying { message, ord: self.ord, replies: vec![reply], by: by.clone() });
    }

    fn may_say(&self, words: &Words) -> Result<(), Refused> {
        if self.holding {
            return Err(Refused::plain(ErrorCode::Draining));
        }
        let in_this_run = self.run.as_ref().map_or(0, |run| run.asides.len());
        if self.saying.len() >= MOST || in_this_run + self.saying.len() >= MOST_IN_A_RUN {
            return Err(Refused::plain(ErrorCode::QueueFull));
        }
        let Some(struck) = words.corrects else { return Ok(()) };
        // What is about to be superseded is not corrected any more.
        let going = self.run.as_ref().and_then(|run| run.cut.as_ref());
        let stands = match self.message_of(struck) {
            Some(message) => {
                message.author.kind == AuthorKind::Assistant && message.status != Status::Streaming
            }
            None => words.stands && !self.gone.contains(&struck),
        };
        if stands && going.is_none_or(|cut| !cut.gone.contains(&struck)) {
            return Ok(());
        }
        Err(Refused::new(
            ErrorCode::InvalidCommand,
            "`message` is no answer of the assistant's that has ended",
        ))
    }

    /// Answers a repeated id; gives the reply back if the id is new.
    fn said_before(&mut self, out: &mut impl Out, id: Uuid, sent: Sent, reply: ReplyTo) -> Option<ReplyTo> {
        let is_it = |message: &Message| message.id == id && Sent::from(message) == sent;
        if let Some(saying) = self.saying.iter_mut().find(|saying| is_it(&saying.message)) {
            saying.replies.push(reply);
            return None;
        }
        let Some(message) = self.message_of(id) else { return Some(reply) };
        match is_it(message) {
            true => accept(out, reply, Accepted { message: id, run: Some(message.run_id), ended: true }),
            false => taken(out, reply, id),
        }
        None
    }

    fn tutors(
        &self,
        by: &Viewer,
        id: Uuid,
        run: Uuid,
        text: String,
        corrects: Option<Uuid>,
        out: &impl Out,
    ) -> Message {
        let person = &by.person;
        let author = Author { id: Some(person.id), name: person.name.clone(), kind: AuthorKind::Tutor };
        let message = self.message(id, run, MessageRole::Assistant, text, out.now());
        Message { author, status: Status::Complete, corrects, ..message }
    }

    /// It is kept: told inside the run that it belongs to.
    pub(super) fn said(&mut self, out: &mut impl Out, id: Uuid) {
        let Some(at) = self.saying.iter().position(|saying| saying.message.id == id) else { return };
        let Saying { message, ord, replies, by } = self.saying.remove(at);
        let accepted = Accepted { message: id, run: Some(message.run_id), ended: false };
        let corrects = message.corrects;
        if let Some(struck) = corrects {
            self.window.strike(struck, id);
        }
        self.changed = true;
        if let Some(run) = self.run.as_deref_mut().filter(|run| run.id == message.run_id) {
            run.saying -= 1;
            if run.is_alone() && !run.announced() {
                run.begin(self.session, out);
            }
            run.aside(out, ord, message);
        }
        replies.into_iter().for_each(|reply| accept(out, reply, accepted));
        let kind = if corrects.is_some() { ActKind::Corrected } else { ActKind::Said };
        let act = self.act_on(out, by.person.id, kind, Some(id), None);
        out.keep(Token::Note, vec![act], Patience::Refuse);
        self.record(out, &by, |session, student| match corrects {
            Some(message) => Event::Corrected { session, student, message },
            None => Event::Said { session, student },
        });
        self.end_if_over(out);
    }

    pub(super) fn not_said(&mut self, out: &mut impl Out, id: Uuid, refused: &Refused) {
        let Some(at) = self.saying.iter().position(|saying| saying.message.id == id) else { return };
        let Saying { message, replies, .. } = self.saying.remove(at);
        replies.into_iter().for_each(|reply| refuse(out, reply, refused.clone(), Some(id)));
        let Some(run) = self.run.as_deref_mut().filter(|run| run.id == message.run_id) else { return };
        run.saying -= 1;
        // A run of its own, of which nothing was ever said.
        if run.is_alone() && matches!(run.phase, Phase::Beginning { .. }) && run.saying == 0 {
            self.run = None;
            return self.begin_next(out, Patience::Insist);
        }
        self.end_if_over(out);
    }
}

/// How a tutor's message is sent.
pub(super) fn tutors_words(by: Uuid, replaces: bool) -> Sent {
    Sent { by: Some(by), kind: AuthorKind::Tutor, replaces }
}
