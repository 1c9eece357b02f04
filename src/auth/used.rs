//! When each sign-in was last used, for the list that its owner sees. Kept in memory and written once a
//! minute: a request costs no row.

use dashmap::DashMap;

use crate::clock::Timestamp;
use crate::id::Uuid;

/// Sign-ins used within a minute. Beyond, the others' times stay as they were: a list is a little older.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Used(DashMap<Uuid, Timestamp>);

impl Used {
    pub(super) fn note(&self, sign_in: Uuid, now: Timestamp) {
        if let Some(mut at) = self.0.get_mut(&sign_in) {
            *at = now;
        } else if self.0.len() < MOST {
            self.0.insert(sign_in, now);
        }
    }

    pub(super) fn of(&self, sign_in: Uuid) -> Option<Timestamp> {
        self.0.get(&sign_in).map(|at| *at)
    }

    /// All of them, to be written; the next minute begins empty.
    pub(super) fn take(&self) -> (Vec<Uuid>, Vec<Timestamp>) {
        let ids: Vec<Uuid> = self.0.iter().map(|entry| *entry.key()).collect();
        ids.into_iter().filter_map(|id| self.0.remove(&id)).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_in_is_written_once_with_its_latest_time() {
        let used = Used::default();
        let (a, b) = (crate::id::new(), crate::id::new());
        let early = Timestamp::from_second(1).unwrap();
        let late = Timestamp::from_second(2).unwrap();
        for (id, at) in [(a, early), (b, early), (a, late)] {
            used.note(id, at);
        }
        let (ids, times) = used.take();
        let mut taken: Vec<_> = ids.into_iter().zip(times).collect();
        taken.sort_unstable();
        let mut wanted = vec![(a, late), (b, early)];
        wanted.sort_unstable();
        assert_eq!(taken, wanted);
        assert_eq!((used.take().0.len(), used.of(a)), (0, None));
    }
}
