//! What rosters and those who watch are shown of a session beside its log.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

use crate::clock::{self, Timestamp};
use crate::protocol::{ForTutors, Signals};
use crate::session::state::{Out, State, Token};
use crate::session::{Board, History, Tile, TileState, judge, preview};
use crate::store::Patience;

use super::{Happening, Task};

/// While an answer comes, a roster that is there is shown its end this often.
const EVERY: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Showing {
    state: Option<(TileState, Timestamp)>,
    signals: Signals,
    history: History,
    /// When something else will be to be told although nothing happens, as far as that is awaited.
    due: Option<Timestamp>,
    /// There are new words.
    words: bool,
    next: Option<Instant>,
}

impl Showing {
    /// The model has said something: no more than a look while nobody watches.
    pub(super) fn heard(&mut self, board: &Board) {
        self.words = board.is_watched();
    }
}

impl Task<'_> {
    /// After whatever happened.
    pub(super) fn show(&mut self) {
        let words = std::mem::take(&mut self.showing.words);
        let changed = std::mem::take(&mut self.state.changed);
        if !(changed || (words && self.is_due())) {
            return;
        }
        let now = clock::now();
        let signals = judge(&self.state.facts, now);
        if tells_more(&self.showing.signals, &signals) && !self.state.watchers.is_empty() {
            self.effects.tutors(None, &ForTutors::Signals(&signals));
        }
        self.showing.signals.clone_from(&signals);
        let rows = self.showing.history.note(self.state.session, &signals, now);
        if !rows.is_empty() {
            self.effects.keep(Token::Note, rows, Patience::Refuse);
        }
        self.await_due(now);
        let tile = tile(&self.state, &mut self.showing, signals, now);
        self.showing.next = Some(Instant::now() + EVERY);
        self.inner.board.show(tile);
    }

    /// Time alone changes signals, too. It keeps nothing in memory.
    fn await_due(&mut self, now: Timestamp) {
        let Some(due) = self.state.facts.due(now) else { return };
        if self.showing.due.is_some_and(|awaited| awaited <= due) {
            return;
        }
        self.showing.due = Some(due);
        let after = Duration::try_from(due.duration_since(now)).unwrap_or_default();
        self.effects.pending.push(sleep(after).map(|()| Happening::Due).boxed());
    }

    pub(super) fn is_due_now(&mut self) {
        self.showing.due = None;
        self.state.changed = true;
    }

    /// The session is about to leave memory: no signal of it is shown any more. `true`: rows are on their way.
    pub(super) fn close_signals(&mut self) -> bool {
        let rows = self.showing.history.close(clock::now());
        let closing = !rows.is_empty();
        if closing {
            self.effects.keep(Token::Note, rows, Patience::Refuse);
        }
        closing
    }

    fn is_due(&self) -> bool {
        self.showing.next.is_none_or(|next| Instant::now() >= next)
    }
}

/// Whether more has changed than the time.
fn tells_more(old: &Signals, new: &Signals) -> bool {
    (old.hand_raised, &old.struggling, &old.items, &old.dealt_with)
        != (new.hand_raised, &new.struggling, &new.items, &new.dealt_with)
}

fn tile(state: &State, showing: &mut Showing, signals: Signals, now: Timestamp) -> Tile {
    let is = what_it_does(state);
    let since = match showing.state {
        Some((before, since)) if before == is => since,
        _ => now,
    };
    showing.state = Some((is, since));
    Tile {
        session: state.session,
        org: state.org,
        student: state.student.clone(),
        title: state.title.clone(),
        subject: state.subject.clone(),
        state: is,
        state_since: since,
        last_activity_at: state.active_at,
        turns: state.turns,
        signals,
        preview: state.newest().map(|message| preview(&message.content)).unwrap_or_default(),
        tutor: state.held.by.clone(),
        watchers: state.watchers.len(),
        hand: state.hand.clone(),
    }
}

fn what_it_does(state: &State) -> TileState {
    match state.run.as_deref() {
        _ if state.held.by.is_some() => TileState::Tutor,
        Some(run) if run.is_answering() => TileState::Answering,
        Some(run) if run.answer.is_some() => TileState::Thinking,
        _ if state.is_present() => TileState::Waiting,
        _ => TileState::Idle,
    }
}
