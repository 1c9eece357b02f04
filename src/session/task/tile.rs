//! What rosters and those who watch are shown of a session beside its log.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{self, Timestamp};
use crate::protocol::{ForTutors, Signals};
use crate::session::state::{Out, State};
use crate::session::{Board, Tile, TileState, judge};

use super::Task;

/// While an answer comes, a roster that is there is shown its end this often.
const EVERY: Duration = Duration::from_millis(250);
/// The longest preview, in characters.
const PREVIEW: usize = 160;

#[derive(Default)]
pub(super) struct Showing {
    state: Option<(TileState, Timestamp)>,
    signals: Signals,
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
        if !std::mem::take(&mut self.state.changed) && !(words && self.is_due()) {
            return;
        }
        let now = clock::now();
        let signals = judge(&self.state.facts, now);
        if tells_more(&self.showing.signals, &signals) && !self.state.watchers.is_empty() {
            self.effects.tutors(None, &ForTutors::Signals(&signals));
        }
        self.showing.signals.clone_from(&signals);
        let tile = tile(&self.state, &mut self.showing, signals, now);
        self.showing.next = Some(Instant::now() + EVERY);
        self.inner.board.show(tile);
    }

    fn is_due(&self) -> bool {
        self.showing.next.is_none_or(|next| Instant::now() >= next)
    }
}

/// Whether more has changed than the time.
fn tells_more(old: &Signals, new: &Signals) -> bool {
    (old.hand_raised, &old.struggling, &old.items) != (new.hand_raised, &new.struggling, &new.items)
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

/// The end of a message, on one line.
fn preview(text: &str) -> String {
    // Four bytes a character at most, and white space that is folded.
    let from = text.len().saturating_sub(PREVIEW * 8);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let line =
        text[from..].split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    let skip = line.chars().count().saturating_sub(PREVIEW);
    line.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_the_end_on_one_line() {
        assert_eq!(preview("One\n\ntwo\u{7} three "), "One two three");
        assert_eq!(preview(&"é".repeat(1000)), "é".repeat(PREVIEW));
        assert_eq!(preview(&format!("{}end", "x ".repeat(400))).chars().count(), PREVIEW);
        assert_eq!(preview(""), "");
    }
}
