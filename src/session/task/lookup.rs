//! Commands that PostgreSQL is asked about before they are done.

use tokio::sync::oneshot;

use crate::id::Uuid;
use crate::protocol::{AuthorKind, Command};
use crate::session::Refused;
use crate::session::handle::Viewer;
use crate::session::state::{ReplyTo, refuse};
use crate::store::{Sent, Store, StoreError};

use super::{Happening, RETRY, Task};

/// What PostgreSQL is asked: about messages that are not in memory, and about files.
pub(super) struct Ask {
    /// Was this id used before?
    pub(super) id: Option<Uuid>,
    pub(super) target: Option<Target>,
    /// Are these the student's own, and ready?
    pub(super) files: Vec<Uuid>,
}

/// What a command speaks of: does it stand?
#[derive(Clone, Copy)]
pub(super) enum Target {
    Question(Uuid),
    Answer(Uuid),
}

impl Ask {
    pub(super) fn is_nothing(&self) -> bool {
        self.id.is_none() && self.target.is_none() && self.files.is_empty()
    }

    async fn put(&self, store: &Store, session: Uuid, student: Uuid) -> Result<Known, StoreError> {
        let used = match self.id {
            Some(id) => store.message_sent(session, id).await?,
            None => None,
        };
        let stands = match self.target {
            Some(Target::Question(id)) if used.is_none() => store.question_stands(session, id).await?,
            Some(Target::Answer(id)) if used.is_none() => {
                store.answer_stands(session, id).await?.then(Vec::new)
            }
            _ => None,
        };
        let unfit = match used.is_none() && !self.files.is_empty() {
            true => store.unfit_file(student, &self.files).await?,
            false => None,
        };
        Ok(Known { used, found: Found { stands, unfit } })
    }
}

struct Known {
    /// The id is that of a message which was sent so.
    used: Option<Sent>,
    found: Found,
}

/// What PostgreSQL knows of what a command speaks of.
#[derive(Default)]
pub(super) struct Found {
    /// The message that is edited or corrected stands; the files of a question.
    pub(super) stands: Option<Vec<Uuid>>,
    /// The first of the files that the student may not send.
    unfit: Option<usize>,
}

impl Found {
    pub(super) fn fit(&self) -> Result<(), Refused> {
        self.unfit.map_or(Ok(()), |at| Err(Refused::file(at)))
    }
}

/// A command that PostgreSQL was asked about first.
pub(super) struct LookedUp {
    viewer: Viewer,
    command: Command,
    reply: ReplyTo,
    /// Whether it was asked about the id.
    asked: bool,
    known: Result<Known, StoreError>,
}

impl Task<'_> {
    /// Asks PostgreSQL before a command is done. What is said meanwhile waits behind it: messages keep the
    /// order in which they came.
    pub(super) fn look_up(&mut self, ask: Ask, viewer: Viewer, command: Command, reply: ReplyTo) {
        let (store, session, student) = (self.inner.store.clone(), self.state.session, self.state.student.id);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_lookup.replace(over);
        self.looking += 1;
        self.effects.expect(async move {
            let known = ask.put(&store, session, student).await;
            if let Some(before) = before {
                // Nothing is ever sent: it ends with the one before.
                let _ = before.await;
            }
            drop(mine);
            let asked = ask.id.is_some();
            Happening::LookedUp(Box::new(LookedUp { viewer, command, reply, asked, known }))
        });
    }

    pub(super) fn looked_up(&mut self, looked_up: LookedUp) {
        self.effects.unsettled -= 1;
        self.looking -= 1;
        let LookedUp { viewer, command, reply, asked, known } = looked_up;
        let known = match known {
            Ok(known) => known,
            Err(_) => {
                return refuse(&mut self.effects, reply, Refused::unavailable(RETRY), command.id());
            }
        };
        // What it repeats may have left memory while it waited behind others.
        let ask = self.ask_about(&viewer, &command);
        if !asked && ask.id.is_some() {
            return self.look_up(ask, viewer, command, reply);
        }
        match (known.used, command.id()) {
            (Some(before), Some(id)) => {
                let sent = sent(&viewer, &command);
                self.state.repeated_of_old(&mut self.effects, id, (sent, before), reply);
            }
            _ => self.apply(viewer, command, reply, known.found),
        }
    }
}

/// How a command with a message sends it.
fn sent(viewer: &Viewer, command: &Command) -> Sent {
    let kind = if command.is_tutors() { AuthorKind::Tutor } else { AuthorKind::Student };
    let replaces = matches!(command, Command::Edit(_) | Command::Correct(_));
    Sent { by: Some(viewer.person.id), kind, replaces }
}
