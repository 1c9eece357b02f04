//! Tutors at the rig.

use std::sync::Arc;

use crate::audit::Asking;
use crate::id::Uuid;
use crate::identity::{Access, Role};
use crate::protocol::{Person, Until, Whisper};
use crate::session::handle::Viewer;
use crate::session::says::Words;
use crate::store::{Patience, WriteError};

use super::rig::Rig;

/// Two tutors; the second is an admin.
pub(super) fn tutor(n: usize) -> Viewer {
    let (name, role) = [("Ms Kay", Role::Tutor), ("Mr Lee", Role::Admin)][n];
    Viewer {
        conn: 20 + n as u64,
        person: Person { id: Uuid::from_u128(20 + n as u128), name: name.into() },
        role,
        access: Access::Observer,
        may_speak: true,
        asking: Arc::new(Asking::default()),
    }
}

impl Rig {
    /// One who watches.
    pub(super) fn tutor(&mut self, n: usize) -> Viewer {
        let tutor = tutor(n);
        if !self.state.is_watcher(tutor.conn) {
            self.state.arrive(&mut self.world, &tutor);
        }
        tutor
    }

    pub(super) fn take_over(&mut self, n: usize) {
        let by = self.tutor(n);
        self.state.take_over(&mut self.world, &by, None, Ok(()));
    }

    pub(super) fn hand_back(&mut self, n: usize, summary: Option<&str>) {
        let by = self.tutor(n);
        self.state.hand_back(&mut self.world, &by, None, summary.map(str::to_owned), Ok(()));
    }

    pub(super) fn say(&mut self, n: usize, text: &str) -> Uuid {
        let id = self.id();
        self.say_as(n, id, text, None);
        id
    }

    pub(super) fn correct(&mut self, n: usize, message: Uuid, text: &str) -> Uuid {
        let id = self.id();
        self.say_as(n, id, text, Some(message));
        id
    }

    /// As the task does it: what is not in memory was looked up.
    pub(super) fn say_as(&mut self, n: usize, id: Uuid, text: &str, corrects: Option<Uuid>) {
        let by = self.tutor(n);
        let rows = &self.world.rows;
        if self.state.must_look_up(id) && rows.contains_key(&id) {
            return;
        }
        let stands = corrects.and_then(|id| rows.get(&id)).is_some_and(|row| {
            use crate::protocol::{AuthorKind, Status};
            row.kind == AuthorKind::Assistant && row.status != Status::Streaming && !row.superseded
        });
        let words = Words { id, text: text.into(), corrects, stands };
        self.state.say(&mut self.world, &by, words, Ok(()));
    }

    pub(super) fn whisper(&mut self, n: usize, text: &str, until: Until) -> Uuid {
        let (by, id) = (self.tutor(n), self.id());
        let whisper = Whisper { id, text: text.into(), until };
        self.state.whisper(&mut self.world, &by, whisper, Ok(()));
        id
    }

    pub(super) fn withdraw(&mut self, n: usize, whisper: Uuid) {
        let by = self.tutor(n);
        self.state.withdraw(&mut self.world, &by, whisper, None, Ok(()));
    }

    /// Only what is not insisted on can fail.
    pub(super) fn keep_fails(&mut self) {
        if self.world.keeps.first().is_some_and(|(.., patience)| *patience == Patience::Refuse) {
            let (token, ..) = self.world.keeps.remove(0);
            let error = WriteError::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            self.state.not_committed(&mut self.world, token, &error);
        }
    }
}
