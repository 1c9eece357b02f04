//! Commands that PostgreSQL is asked about before they are done.

use tokio::sync::oneshot;

use crate::id::Uuid;
use crate::protocol::Command;
use crate::session::Refused;
use crate::session::handle::Viewer;
use crate::session::state::{ReplyTo, refuse};
use crate::store::{Store, StoreError};

use super::{Happening, RETRY, Task};

/// What PostgreSQL is asked, about messages that are not in memory.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    /// Was this id used before?
    pub(super) id: Option<Uuid>,
    pub(super) target: Option<Target>,
}

/// What a command speaks of: does it stand?
#[derive(Clone, Copy)]
pub(super) enum Target {
    Question(Uuid),
    Answer(Uuid),
}

impl Ask {
    pub(super) fn is_nothing(&self) -> bool {
        self.id.is_none() && self.target.is_none()
    }

    async fn put(self, store: &Store, session: Uuid) -> Result<Known, StoreError> {
        let used = match self.id {
            Some(id) => store.message_exists(session, id).await?,
            None => false,
        };
        let stands = match self.target {
            Some(Target::Question(id)) if !used => store.question_stands(session, id).await?,
            Some(Target::Answer(id)) if !used => store.answer_stands(session, id).await?,
            _ => false,
        };
        Ok(Known { used, stands })
    }
}

struct Known {
    used: bool,
    stands: bool,
}

/// A command that PostgreSQL was asked about first.
pub(super) struct LookedUp {
    viewer: Viewer,
    command: Command,
    reply: ReplyTo,
    known: Result<Known, StoreError>,
}

impl Task<'_> {
    /// Asks PostgreSQL before a command is done. What is said meanwhile waits behind it: messages keep the
    /// order in which they came.
    pub(super) fn look_up(&mut self, ask: Ask, viewer: Viewer, command: Command, reply: ReplyTo) {
        let (store, session) = (self.inner.store.clone(), self.state.session);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_lookup.replace(over);
        self.looking += 1;
        self.effects.expect(async move {
            let known = ask.put(&store, session).await;
            if let Some(before) = before {
                // Nothing is ever sent: it ends with the one before.
                let _ = before.await;
            }
            drop(mine);
            Happening::LookedUp(Box::new(LookedUp { viewer, command, reply, known }))
        });
    }

    pub(super) fn looked_up(&mut self, looked_up: LookedUp) {
        self.effects.unsettled -= 1;
        self.looking -= 1;
        let LookedUp { viewer, command, reply, known } = looked_up;
        match (known, command.id()) {
            (Ok(Known { used: true, .. }), Some(id)) => {
                self.state.repeated_of_old(&mut self.effects, id, reply)
            }
            (Ok(known), _) => self.apply(viewer, command, reply, known.stands),
            (Err(_), id) => refuse(&mut self.effects, reply, Refused::unavailable(RETRY), id),
        }
    }
}
