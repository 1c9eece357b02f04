//! Commands: who may say them, and what they do.

use crate::audit;
use crate::id::Uuid;
use crate::identity::Access;
use crate::protocol::{ActKind, Command, Correct, ErrorCode};
use crate::session::Refused;
use crate::session::handle::{Asking, Call, Viewer};
use crate::session::says::Words;
use crate::session::state::{Out, ReplyTo, Token, refuse};
use crate::store::Patience;

use super::lookup::{Ask, Found, Target};
use super::{RETRY, Task};

/// Said to a student who may only read.
const NO_CONSENT: &str = "Your school needs a consent before you can ask questions here. You can still read.";

impl Task<'_> {
    pub(super) fn command(&mut self, viewer: Viewer, command: Command, call: Option<Asking>) {
        let id = message_id(&command);
        let log = &self.effects.log;
        let reply = match call {
            None => ReplyTo::Conn(viewer.conn),
            Some(reply) if id.is_some_and(|id| self.state.knows(id)) => {
                ReplyTo::Call(Call { reply, cursor: log.at_start(0) })
            }
            Some(reply) => ReplyTo::Call(Call { reply, cursor: log.at_end(0) }),
        };
        let ask = self.ask_about(&viewer, &command);
        let speaks = id.is_some() || matches!(command, Command::Regenerate(_));
        if !ask.is_nothing() || (speaks && self.looking > 0) {
            self.look_up(ask, viewer, command, reply);
        } else {
            self.apply(viewer, command, reply, Found::default());
        }
    }

    /// What must be known of a command's messages before it is done.
    pub(super) fn ask_about(&self, viewer: &Viewer, command: &Command) -> Ask {
        let edited = match command {
            Command::Edit(edit) => Some(edit.message),
            Command::Correct(correct) => Some(correct.message),
            _ => None,
        };
        let (owner, tutors) = (viewer.access == Access::Owner, command.is_tutors());
        let unknown = |id: &Uuid| owner != tutors && self.state.must_look_up(*id);
        let target = edited.filter(unknown).map(if tutors { Target::Answer } else { Target::Question });
        let files = match command {
            Command::Send(send) if owner => send.files.as_slice(),
            Command::Edit(edit) if owner => edit.files.as_deref().unwrap_or_default(),
            _ => &[],
        };
        Ask { id: message_id(command).filter(unknown), target, files: files.to_vec() }
    }

    /// Does what a command says, if this person may say it.
    pub(super) fn apply(&mut self, viewer: Viewer, command: Command, reply: ReplyTo, found: Found) {
        let owner = viewer.access == Access::Owner;
        let storage = self.storage();
        let (state, effects) = (&mut self.state, &mut self.effects);
        match command {
            Command::Send(_) | Command::Edit(_) | Command::Regenerate(_) if owner && !viewer.may_speak => {
                refuse(effects, reply, Refused::new(ErrorCode::NotAllowed, NO_CONSENT), command.id());
            }
            Command::Send(send) if owner => state.send(effects, send, reply, storage.and(found.fit())),
            Command::Edit(edit) if owner => {
                state.edit(effects, edit, reply, storage.and(found.fit()), found.stands);
            }
            Command::Regenerate(id) if owner => state.regenerate(effects, id, reply, storage),
            Command::RaiseHand(id) if owner => state.raise_hand(effects, true, reply, id, storage),
            Command::Stop(id) => {
                if state.stop(effects, reply, id) && !owner {
                    self.note(viewer.person.id, ActKind::Stopped);
                }
            }
            Command::LowerHand(id) => {
                let was_up = state.hand.is_some();
                state.raise_hand(effects, false, reply, id, storage);
                if !owner && was_up && state.hand.is_none() {
                    self.note(viewer.person.id, ActKind::LoweredHand);
                }
            }
            Command::Typing => state.typing(effects, &viewer),
            tutors if tutors.is_tutors() && !owner => {
                self.tutor(viewer, tutors, found.stands.is_some(), storage);
            }
            other => {
                audit::line("forbidden", "command", Some(viewer.person.id), None);
                refuse(effects, reply, Refused::plain(ErrorCode::NotAllowed), other.id());
            }
        }
    }

    /// What is answered goes to the connection that asked; tutors have no other way in.
    fn tutor(&mut self, by: Viewer, command: Command, stands: bool, storage: Result<(), Refused>) {
        let (state, effects) = (&mut self.state, &mut self.effects);
        match command {
            Command::TakeOver(id) => state.take_over(effects, &by, id, storage),
            Command::HandBack { id, summary } => state.hand_back(effects, &by, id, summary, storage),
            Command::Claim(id) => {
                match state.claim(effects, &by, storage) {
                    Ok(_) => state.tell_state(effects, by.conn),
                    Err(refused) => refuse(effects, ReplyTo::Conn(by.conn), refused, id),
                };
            }
            Command::Say { id, text } => {
                let words = Words { id, text, corrects: None, stands: false };
                state.say(effects, &by, words, storage);
            }
            Command::Correct(Correct { id, message, text }) => {
                let words = Words { id, text, corrects: Some(message), stands };
                state.say(effects, &by, words, storage);
            }
            Command::Whisper(whisper) => state.whisper(effects, &by, whisper, storage),
            Command::Withdraw { id, whisper } => state.withdraw(effects, &by, whisper, id, storage),
            // Nothing else is a tutor's alone.
            _ => {}
        }
    }

    /// What is insisted on is kept until PostgreSQL is back: nothing is begun meanwhile.
    pub(super) fn storage(&self) -> Result<(), Refused> {
        match self.inner.store.writer().is_up() {
            true => Ok(()),
            false => Err(Refused::unavailable(RETRY)),
        }
    }

    /// An act for the time line, of which nothing else hangs.
    pub(super) fn note(&mut self, who: Uuid, kind: ActKind) {
        let act = self.state.act(&self.effects, who, kind);
        self.effects.keep(Token::Note, vec![act], Patience::Refuse);
    }
}

/// The id that a command gives to its message.
fn message_id(command: &Command) -> Option<Uuid> {
    match command {
        Command::Send(send) => Some(send.id),
        Command::Edit(edit) => Some(edit.id),
        Command::Say { id, .. } => Some(*id),
        Command::Correct(correct) => Some(correct.id),
        _ => None,
    }
}
