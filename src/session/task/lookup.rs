//! Commands that PostgreSQL is asked about before they are done.

use tokio::sync::oneshot;

use crate::id::Uuid;
use crate::protocol::Command;
use crate::session::Refused;
use crate::session::handle::Viewer;
use crate::session::state::{ReplyTo, refuse};
use crate::store::StoreError;

use super::{Happening, RETRY, Task};

/// A question whose id PostgreSQL was asked about first.
pub(super) struct LookedUp {
    viewer: Viewer,
    command: Command,
    reply: ReplyTo,
    known: Result<bool, StoreError>,
}

impl Task<'_> {
    /// Asks PostgreSQL whether `id` was used before. What is said meanwhile waits behind the question:
    /// messages keep the order in which they came.
    pub(super) fn look_up(&mut self, id: Option<Uuid>, viewer: Viewer, command: Command, reply: ReplyTo) {
        let (store, session) = (self.inner.store.clone(), self.state.session);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_lookup.replace(over);
        self.looking += 1;
        self.effects.expect(async move {
            let known = match id {
                Some(id) => store.message_exists(session, id).await,
                None => Ok(false),
            };
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
            (Ok(true), Some(id)) => self.state.repeated_of_old(&mut self.effects, id, reply),
            (Ok(_), _) => self.apply(viewer, command, reply),
            (Err(_), id) => refuse(&mut self.effects, reply, Refused::unavailable(RETRY), id),
        }
    }
}
