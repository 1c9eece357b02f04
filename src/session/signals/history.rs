//! Which signals are shown, and the rows that they leave.

use crate::clock::Timestamp;
use crate::id::{self, Uuid};
use crate::protocol::{SignalKind, Signals};
use crate::store::{NewSignal, TutorRow};

/// At most one open row of each kind. A signal that grows stays the same one.
#[derive(Clone, Debug, Default)]
pub struct History {
    open: Vec<(SignalKind, Uuid)>,
}

impl History {
    /// What began and what ended since the last time.
    pub fn note(&mut self, session: Uuid, signals: &Signals, now: Timestamp) -> Vec<TutorRow> {
        let mut rows = Vec::new();
        self.open.retain(|(kind, id)| {
            let stays = signals.items.iter().any(|signal| signal.kind == *kind);
            if !stays {
                rows.push(TutorRow::SignalEnded { id: *id, at: now });
            }
            stays
        });
        for signal in &signals.items {
            if self.open.iter().any(|(kind, _)| *kind == signal.kind) {
                continue;
            }
            let id = id::new();
            self.open.push((signal.kind, id));
            let score = if signal.kind == SignalKind::Struggling { signals.struggling.score } else { 0 };
            rows.push(TutorRow::SignalBegan(NewSignal {
                id,
                session,
                kind: signal.kind,
                level: signal.level,
                score,
                why: signal.why.clone(),
                at: signal.since,
            }));
        }
        rows
    }

    /// The session leaves memory: nothing is shown any more.
    pub fn close(&mut self, now: Timestamp) -> Vec<TutorRow> {
        self.open.drain(..).map(|(_, id)| TutorRow::SignalEnded { id, at: now }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Signal;

    fn shown(kinds: &[(SignalKind, u8)]) -> Signals {
        let item = |(kind, level): &(SignalKind, u8)| Signal {
            kind: *kind,
            level: *level,
            since: Timestamp::UNIX_EPOCH,
            why: "because".into(),
        };
        Signals { items: kinds.iter().map(item).collect(), ..Signals::default() }
    }

    #[test]
    fn a_signal_leaves_one_row_that_ends_with_it() {
        let (mut history, session) = (History::default(), id::new());
        let now = crate::clock::now();
        let rows = history.note(session, &shown(&[(SignalKind::Idle, 1)]), now);
        let [TutorRow::SignalBegan(began)] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((began.session, began.kind, began.level), (session, SignalKind::Idle, 1));
        let rows = history.note(session, &shown(&[(SignalKind::Error, 1), (SignalKind::Idle, 2)]), now);
        let [TutorRow::SignalBegan(second)] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(second.kind, SignalKind::Error);
        let rows = history.note(session, &shown(&[(SignalKind::Error, 1)]), now);
        let [TutorRow::SignalEnded { id, .. }] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(*id, began.id);
        let rows = history.close(now);
        let [TutorRow::SignalEnded { id, .. }] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(*id, second.id);
        assert!(history.close(now).is_empty());
    }
}
