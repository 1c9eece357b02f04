//! Live rights of open sockets: whether the sign-in behind one still carries any.
//!
//! Every socket of one sign-in shares one `watch` channel, so ten thousand of them cost one row in
//! the query that runs every second while anybody listens. So does every pair of a sign-in and a session
//! that it watches without owning it, in a second query.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::watch;

use crate::id::Uuid;
use crate::identity::Standing;
use crate::store::accounts::SignIn;

/// How often the database is asked: rights end within five seconds wherever they were ended.
pub(super) const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Standings {
    /// As many entries as sign-ins with an open socket; an entry leaves at the first look after its
    /// last listener has gone.
    watched: DashMap<Uuid, watch::Sender<Standing>>,
    /// Of a sign-in and a session that it watches: as many as sockets of tutors and admins, at most.
    observed: DashMap<(Uuid, Uuid), watch::Sender<bool>>,
}

impl Standings {
    /// Listens to a sign-in that was worth this just now.
    pub(super) fn listen(&self, family: Uuid, standing: Standing) -> watch::Receiver<Standing> {
        let sender = self.watched.entry(family).or_insert_with(|| watch::Sender::new(standing));
        // Nobody kept this value up to date: what the caller just learned is newer. So it is where others
        // listen who may only read and the next look has not come: their word would end whoever may speak.
        if sender.receiver_count() == 0 || matches!(*sender.borrow(), Standing::Mute(_)) {
            change(&sender, standing);
        }
        sender.subscribe()
    }

    /// Listens to a sign-in's right to watch a session, which was good just now.
    pub(super) fn observe(&self, family: Uuid, session: Uuid) -> watch::Receiver<bool> {
        let sender = self.observed.entry((family, session)).or_insert_with(|| watch::Sender::new(true));
        if sender.receiver_count() == 0 {
            // As in `listen`.
            sender.send_if_modified(|now| !std::mem::replace(now, true));
        }
        sender.subscribe()
    }

    /// What is watched and by whom. What nobody watches any more is forgotten.
    pub(super) fn watched(&self) -> Vec<(Uuid, Uuid)> {
        self.observed.retain(|_, sender| sender.receiver_count() > 0);
        self.observed.iter().map(|entry| *entry.key()).collect()
    }

    /// Which of the pairs that were asked about the database still knows as good.
    pub(super) fn apply_observed(&self, asked: &[(Uuid, Uuid)], found: &[(Uuid, Uuid)]) {
        let found: HashSet<_> = found.iter().collect();
        for pair in asked.iter().filter(|pair| !found.contains(pair)) {
            if let Some(sender) = self.observed.get(pair) {
                // Final for whoever listens now: a right that comes back opens a new socket.
                sender.send_if_modified(|now| std::mem::replace(now, false));
            }
        }
    }

    /// This process has just learned it; no need to wait for the next look.
    pub(super) fn set(&self, family: Uuid, standing: Standing) {
        if let Some(sender) = self.watched.get(&family) {
            change(&sender, standing);
        }
    }

    /// The sign-ins to ask about. Those without a listener are forgotten.
    pub(super) fn listened(&self) -> Vec<Uuid> {
        self.watched.retain(|_, sender| sender.receiver_count() > 0);
        self.watched.iter().map(|entry| *entry.key()).collect()
    }

    /// What the database says about the sign-ins that were asked about.
    pub(super) fn apply(&self, asked: &[Uuid], found: &[SignIn]) {
        let found: HashMap<Uuid, &SignIn> = found.iter().map(|row| (row.id, row)).collect();
        for family in asked {
            let standing = match found.get(family) {
                // The account is gone, and its sign-ins with it.
                None => Standing::Disabled,
                Some(row) => standing(row),
            };
            self.set(*family, standing);
        }
    }
}

pub(super) fn standing(row: &SignIn) -> Standing {
    if row.disabled {
        Standing::Disabled
    } else if row.ended {
        Standing::SignedOut
    } else if row.mute {
        Standing::Mute(row.role)
    } else {
        Standing::Good(row.role)
    }
}

/// A sign-out is final: a look at the database that began before it must not undo it, and one that began after it
/// does not know whether somebody goes on.
fn change(sender: &watch::Sender<Standing>, to: Standing) {
    sender.send_if_modified(|now| {
        let changes = *now != to && !matches!(now, Standing::SignedOut | Standing::Renewed);
        if changes {
            *now = to;
        }
        changes
    });
}

#[cfg(test)]
mod tests {
    use crate::identity::Role;

    use super::*;

    const GOOD: Standing = Standing::Good(Role::Student);

    fn row(id: Uuid) -> SignIn {
        SignIn {
            id,
            user_id: crate::id::new(),
            org_id: crate::id::new(),
            role: Role::Student,
            name: "S".into(),
            ended: false,
            disabled: false,
            mute: false,
        }
    }

    #[test]
    fn whoever_may_speak_is_not_ended_by_what_was_so_before() {
        let standings = Standings::default();
        let family = crate::id::new();
        let reading = standings.listen(family, Standing::Mute(Role::Student));
        let speaking = standings.listen(family, GOOD);
        assert_eq!((*reading.borrow(), *speaking.borrow()), (GOOD, GOOD));
        standings.apply(&[family], &[SignIn { ended: true, ..row(family) }]);
        assert_eq!(*standings.listen(family, GOOD).borrow(), Standing::SignedOut);
    }

    #[test]
    fn all_listeners_of_a_sign_in_share_one_entry() {
        let standings = Standings::default();
        let family = crate::id::new();
        let sockets: Vec<_> = (0..100).map(|_| standings.listen(family, GOOD)).collect();
        assert_eq!(standings.listened(), [family]);
        standings.apply(&[family], &[SignIn { role: Role::Tutor, ..row(family) }]);
        assert!(sockets.iter().all(|socket| *socket.borrow() == Standing::Good(Role::Tutor)));
        drop(sockets);
        assert!(standings.listened().is_empty());
        assert!(standings.watched.is_empty());
    }

    #[test]
    fn what_the_database_says_reaches_the_sockets() {
        let standings = Standings::default();
        let [ended, disabled, deleted] = [crate::id::new(), crate::id::new(), crate::id::new()];
        let sockets = [ended, disabled, deleted].map(|id| standings.listen(id, GOOD));
        let found = [SignIn { ended: true, ..row(ended) }, SignIn { disabled: true, ..row(disabled) }];
        standings.apply(&[ended, disabled, deleted], &found);
        let seen = sockets.map(|socket| *socket.borrow());
        assert_eq!(seen, [Standing::SignedOut, Standing::Disabled, Standing::Disabled]);
    }

    #[test]
    fn a_right_to_watch_ends_for_one_pair_alone() {
        let standings = Standings::default();
        let [tutor, one, other] = [crate::id::new(), crate::id::new(), crate::id::new()];
        let (lost, kept) = (standings.observe(tutor, one), standings.observe(tutor, other));
        let second = standings.observe(tutor, one);
        let asked = standings.watched();
        assert_eq!(asked.len(), 2);
        standings.apply_observed(&asked, &[(tutor, other)]);
        assert_eq!((*lost.borrow(), *second.borrow(), *kept.borrow()), (false, false, true));
        assert!(!kept.has_changed().unwrap());
        drop((lost, second));
        assert!(*standings.observe(tutor, one).borrow(), "asked anew, and good just now");
        drop(kept);
        standings.watched();
        assert!(standings.observed.is_empty());
    }

    #[test]
    fn an_older_look_does_not_undo_a_sign_out() {
        let standings = Standings::default();
        let family = crate::id::new();
        let socket = standings.listen(family, GOOD);
        standings.set(family, Standing::SignedOut);
        standings.apply(&[family], &[row(family)]);
        assert_eq!(*socket.borrow(), Standing::SignedOut);
        assert_eq!(*standings.listen(family, GOOD).borrow(), Standing::SignedOut);
    }

    #[test]
    fn who_goes_on_under_another_sign_in_is_not_signed_out_by_the_next_look() {
        let standings = Standings::default();
        let family = crate::id::new();
        let socket = standings.listen(family, GOOD);
        standings.set(family, Standing::Renewed);
        standings.apply(&[family], &[SignIn { ended: true, ..row(family) }]);
        assert_eq!(*socket.borrow(), Standing::Renewed);
    }

    #[test]
    fn nothing_new_wakes_nobody() {
        let standings = Standings::default();
        let family = crate::id::new();
        let socket = standings.listen(family, GOOD);
        standings.apply(&[family], &[row(family)]);
        assert!(!socket.has_changed().unwrap());
    }

    #[test]
    fn a_value_that_nobody_kept_fresh_gives_way() {
        let standings = Standings::default();
        let family = crate::id::new();
        let first = standings.listen(family, GOOD);
        standings.set(family, Standing::Disabled);
        drop(first);
        assert_eq!(*standings.listen(family, GOOD).borrow(), Standing::Good(Role::Student));
    }
}
