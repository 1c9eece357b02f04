//! Who is there, and what they are told of the session's state.

use crate::clock::Timestamp;
use crate::identity::Access;
use crate::protocol::{Control, ForTutors, Person, SessionState};

use super::handle::Viewer;
use super::log::{Audience, ConnId};
use super::state::{Out, State, Timer};

/// Coming and going of those who watch is told at once, then not again for a while: of a hundred who come
/// together each would else be told of every other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Telling {
    #[default]
    AtOnce,
    /// Told a moment ago.
    Resting,
    /// Something is to be told when the rest is over.
    Due,
}

impl State {
    pub(super) fn arrive(&mut self, out: &mut impl Out, viewer: &Viewer) {
        self.changed = true;
        if viewer.access == Access::Owner {
            self.own.push(viewer.conn);
            self.facts.present(true, out.now());
            return;
        }
        self.watchers.push((viewer.conn, viewer.person.clone()));
        self.came_back(viewer.person.id);
        self.tell_watchers(out);
    }

    /// `true`: they watched, and nothing of theirs is left open here.
    pub(super) fn depart(&mut self, out: &mut impl Out, conn: ConnId) -> Option<Person> {
        self.changed = true;
        if let Some(at) = self.own.iter().position(|own| *own == conn) {
            self.own.swap_remove(at);
            if self.own.is_empty() {
                self.facts.present(false, out.now());
            }
            return None;
        }
        let at = self.watchers.iter().position(|(watcher, _)| *watcher == conn)?;
        let (_, who) = self.watchers.remove(at);
        self.tell_watchers(out);
        if !self.watches(who.id) {
            self.went_away(out, who.id);
        }
        Some(who)
    }

    pub(super) fn is_watcher(&self, conn: ConnId) -> bool {
        self.watchers.iter().any(|(watcher, _)| *watcher == conn)
    }

    /// Whether somebody has a socket open to watch.
    pub(super) fn watches(&self, who: crate::id::Uuid) -> bool {
        self.watchers.iter().any(|(_, watcher)| watcher.id == who)
    }

    /// Nobody has a socket on it.
    pub(super) fn is_deserted(&self) -> bool {
        self.own.is_empty() && self.watchers.is_empty()
    }

    pub(super) fn is_present(&self) -> bool {
        !self.own.is_empty()
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
        let tutor = self.held.by.clone();
        let control = if tutor.is_some() { "tutor" } else { "ai" };
        SessionState {
            control,
            tutor,
            hand_raised: self.hand.is_some(),
            run,
            watchers,
            hand: self.hand.clone(),
        }
    }

    pub(super) fn announce(&mut self, out: &mut impl Out) {
        self.changed = true;
        // This tells of them as well.
        if self.telling == Telling::Due {
            self.telling = Telling::Resting;
        }
        if self.show_watchers || self.watchers.is_empty() {
            return out.control(Audience::Everyone, &Control::State(&self.public(true)));
        }
        for (audience, watches) in [(Audience::Owner, false), (Audience::Tutors, true)] {
            out.control(audience, &Control::State(&self.public(watches)));
        }
    }

    /// Somebody came or went who watches.
    fn tell_watchers(&mut self, out: &mut impl Out) {
        if self.telling != Telling::AtOnce {
            self.telling = Telling::Due;
            return;
        }
        self.telling = Telling::Resting;
        out.wake(Timer::Tell);
        self.announce_watchers(out);
    }

    pub(super) fn rested(&mut self, out: &mut impl Out) {
        if std::mem::take(&mut self.telling) == Telling::Due {
            self.tell_watchers(out);
        }
    }

    /// A student who does not see them is told nothing: the same state once more would tell as much.
    fn announce_watchers(&mut self, out: &mut impl Out) {
        match self.show_watchers {
            true => self.announce(out),
            false => out.control(Audience::Tutors, &Control::State(&self.public(true))),
        }
    }

    /// The state once more for one connection: its command had had its effect.
    pub(super) fn tell_state(&self, out: &mut impl Out, conn: ConnId) {
        let state = self.public(self.is_watcher(conn));
        out.control(Audience::Only(conn), &Control::State(&state));
    }

    /// Who watches and does not hold the session types for the other tutors alone: the student would learn of
    /// a whisper before it is sent, and of somebody who is not shown.
    pub(super) fn typing(&mut self, out: &mut impl Out, viewer: &Viewer) {
        let audience = match viewer.access {
            Access::Owner => {
                self.facts.typed(out.now());
                Audience::Others(viewer.conn)
            }
            Access::Observer if self.held.is_by(viewer.person.id) => Audience::Others(viewer.conn),
            Access::Observer => Audience::TutorsBut(viewer.conn),
        };
        out.control(audience, &Control::Typing { who: &viewer.person });
    }

    /// What a tutor is told first, beside what everybody is.
    pub(super) fn for_tutors(&self, now: Timestamp) -> [bytes::Bytes; 2] {
        let signals = super::judge(&self.facts, now);
        [ForTutors::Guidance { items: self.guidance.waiting() }.frame(), ForTutors::Signals(&signals).frame()]
    }
}
