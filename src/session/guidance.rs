//! What tutors tell the model alone. None of it is in the log or in a message: it goes to the model beside the
//! instruction, and to those who watch.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::audit::Event;
use crate::id::Uuid;
use crate::protocol::{
    ActKind, ErrorCode, ForTutors, Person, Until, Whisper, WhisperKind, WhisperState, Whispered,
};
use crate::store::{NewWhisper, Patience, TutorRow};

use super::Refused;
use super::handle::Viewer;
use super::log::ConnId;
use super::state::{Out, ReplyTo, State, Token, refuse};

/// Whispers that may wait for the model, and their bytes together. One more is refused with `queue_full`.
const MOST: usize = 16;
const MOST_BYTES: usize = 32 * 1024;
/// Ids of whispers that have ended, and of those that were refused, kept to know them again.
const ENDED: usize = 64;

#[derive(Default)]
pub(super) struct Guidance {
    /// Oldest first.
    waiting: Vec<Whispered>,
    /// On their way to PostgreSQL.
    coming: Vec<Coming>,
    ended: VecDeque<Uuid>,
    /// Taken back when PostgreSQL could not say whether they were kept: such a row never waits again.
    refused: VecDeque<Uuid>,
}

struct Coming {
    whispered: Whispered,
    by: Viewer,
    /// Whom to tell if it does not arrive.
    asking: Vec<ConnId>,
}

impl Guidance {
    pub(super) fn new(waiting: Vec<Whispered>) -> Guidance {
        Guidance { waiting, ..Guidance::default() }
    }

    pub(super) fn waiting(&self) -> &[Whispered] {
        &self.waiting
    }

    /// What the model is told now.
    pub(super) fn texts(&self) -> Vec<Arc<str>> {
        self.waiting.iter().map(|whisper| whisper.text.as_str().into()).collect()
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.waiting.iter().map(|whisper| whisper.id).collect()
    }

    pub(super) fn room(&self, text: &str) -> Result<(), Refused> {
        let kept = || self.waiting.iter().chain(self.coming.iter().map(|coming| &coming.whispered));
        let bytes: usize = kept().map(|whisper| whisper.text.len()).sum();
        if kept().count() < MOST && bytes + text.len() <= MOST_BYTES {
            return Ok(());
        }
        Err(Refused::new(ErrorCode::QueueFull, "Too much guidance waits for the model; withdraw some of it."))
    }

    /// Takes one that waits out of what the model is told.
    fn end(&mut self, id: Uuid, state: WhisperState) -> Option<Whispered> {
        let at = self.waiting.iter().position(|whisper| whisper.id == id)?;
        remember(&mut self.ended, id);
        Some(Whispered { state, ..self.waiting.remove(at) })
    }
}

fn remember(ids: &mut VecDeque<Uuid>, id: Uuid) {
    if ids.len() == ENDED {
        ids.pop_front();
    }
    ids.push_back(id);
}

impl State {
    /// Committed first: what tutors see told is kept.
    pub(super) fn whisper(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        whisper: Whisper,
        storage: Result<(), Refused>,
    ) {
        let id = whisper.id;
        if let Some(coming) = self.guidance.coming.iter_mut().find(|coming| coming.whispered.id == id) {
            return coming.asking.push(by.conn);
        }
        if let Some(known) = self.guidance.waiting.iter().find(|known| known.id == id) {
            return out.tutors(Some(by.conn), &ForTutors::Whispered(known));
        }
        if self.is_done(Some(id)) {
            return self.tell_guidance(out, Some(by.conn));
        }
        if self.guidance.refused.contains(&id) {
            let refused = Refused::new(ErrorCode::InvalidCommand, "`id` was refused before: use a new one");
            return refuse(out, ReplyTo::Conn(by.conn), refused, Some(id));
        }
        let draining = if self.holding { Err(Refused::plain(ErrorCode::Draining)) } else { Ok(()) };
        if let Err(refused) = draining.and(storage).and_then(|()| self.guidance.room(&whisper.text)) {
            return refuse(out, ReplyTo::Conn(by.conn), refused, Some(id));
        }
        let whispered = Whispered {
            id,
            by: by.person.clone(),
            text: whisper.text,
            until: whisper.until,
            kind: WhisperKind::Whisper,
            state: WhisperState::Waiting,
            at: out.now(),
        };
        let act = self.act_on(out, by.person.id, ActKind::Whispered, None, Some(id));
        let rows = vec![self.whisper_row(&whispered), act];
        self.guidance.coming.push(Coming { whispered, by: by.clone(), asking: vec![by.conn] });
        out.keep(Token::Whispered(id), rows, Patience::Refuse);
    }

    pub(super) fn whispered(&mut self, out: &mut impl Out, id: Uuid) {
        let Some(Coming { whispered, by, .. }) = self.arrived(id) else { return };
        self.done(out, Some(id));
        self.told(out, whispered);
        out.record(by.person.id, &by.asking, &Event::Whispered { session: self.session });
    }

    pub(super) fn not_whispered(&mut self, out: &mut impl Out, id: Uuid, refused: &Refused) {
        let Some(coming) = self.arrived(id) else { return };
        remember(&mut self.guidance.refused, id);
        for conn in coming.asking {
            refuse(out, ReplyTo::Conn(conn), refused.clone(), Some(id));
        }
    }

    fn arrived(&mut self, id: Uuid) -> Option<Coming> {
        let at = self.guidance.coming.iter().position(|coming| coming.whispered.id == id)?;
        Some(self.guidance.coming.remove(at))
    }

    /// What the model is told about the time in which it was silent: kept with the change of control.
    pub(super) fn summarize(&mut self, out: &mut impl Out, by: &Person, text: String) -> (Uuid, TutorRow) {
        let whispered = Whispered {
            id: crate::id::new(),
            by: by.clone(),
            text,
            until: Until::Next,
            kind: WhisperKind::Summary,
            state: WhisperState::Waiting,
            at: out.now(),
        };
        let (id, row) = (whispered.id, self.whisper_row(&whispered));
        self.told(out, whispered);
        (id, row)
    }

    fn told(&mut self, out: &mut impl Out, whispered: Whispered) {
        out.tutors(None, &ForTutors::Whispered(&whispered));
        self.guidance.waiting.push(whispered);
        self.tell_guidance(out, None);
    }

    pub(super) fn withdraw(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        whisper: Uuid,
        command: Option<Uuid>,
        storage: Result<(), Refused>,
    ) {
        if self.guidance.ended.contains(&whisper) {
            return self.tell_guidance(out, Some(by.conn));
        }
        let known = match self.guidance.waiting.iter().any(|known| known.id == whisper) {
            true => storage,
            false => Err(Refused::new(ErrorCode::InvalidCommand, "`whisper` is none that waits here")),
        };
        if let Err(refused) = known {
            return refuse(out, ReplyTo::Conn(by.conn), refused, command);
        }
        let rows = vec![
            self.whisper_ended(out, whisper, WhisperState::Withdrawn, None),
            self.act_on(out, by.person.id, ActKind::Withdrew, None, Some(whisper)),
        ];
        if let Some(whispered) = self.guidance.end(whisper, WhisperState::Withdrawn) {
            out.tutors(None, &ForTutors::Whispered(&whispered));
            self.tell_guidance(out, None);
            out.keep(Token::Note, rows, Patience::Insist);
            let event = Event::WhisperWithdrawn { session: self.session };
            out.record(by.person.id, &by.asking, &event);
        }
    }

    /// An answer that was given with these has words: those for one answer have had their effect.
    pub(super) fn used(&mut self, out: &mut impl Out, run: Uuid, guided: &[Uuid]) {
        let next = |whisper: &&Whispered| whisper.until == Until::Next && guided.contains(&whisper.id);
        let used: Vec<Uuid> = self.guidance.waiting.iter().filter(next).map(|whisper| whisper.id).collect();
        if used.is_empty() {
            return;
        }
        let rows =
            used.iter().map(|id| self.whisper_ended(out, *id, WhisperState::Used, Some(run))).collect();
        for id in used {
            if let Some(whispered) = self.guidance.end(id, WhisperState::Used) {
                out.tutors(None, &ForTutors::Whispered(&whispered));
            }
        }
        self.tell_guidance(out, None);
        out.keep(Token::Note, rows, Patience::Insist);
    }

    fn tell_guidance(&self, out: &mut impl Out, only: Option<ConnId>) {
        out.tutors(only, &ForTutors::Guidance { items: self.guidance.waiting() });
    }

    fn whisper_row(&self, whispered: &Whispered) -> TutorRow {
        TutorRow::Whisper(NewWhisper {
            id: whispered.id,
            session: self.session,
            tutor: whispered.by.id,
            text: whispered.text.as_str().into(),
            until: whispered.until,
            kind: whispered.kind,
            at: whispered.at,
        })
    }

    fn whisper_ended(&self, out: &impl Out, id: Uuid, state: WhisperState, run: Option<Uuid>) -> TutorRow {
        TutorRow::WhisperEnded { session: self.session, id, state, run, at: out.now() }
    }
}
