//! Live scopes of open rosters: which students somebody may see, kept up to date while they look.
//!
//! As with standings, all rosters of one sign-in share one `watch` channel, and all sign-ins one query.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::watch;

use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::store::RosterScope;

use super::{Auth, forbidden};

/// `None`: no roster any more.
pub type LiveScope = watch::Receiver<Option<Arc<RosterScope>>>;

#[derive(Debug, Default)]
pub(super) struct Rosters {
    /// As many entries as sign-ins with an open roster; an entry leaves at the first look after its last
    /// listener has gone.
    watched: DashMap<Uuid, watch::Sender<Option<Arc<RosterScope>>>>,
}

impl Rosters {
    /// Listens to a scope that was read just now.
    fn listen(&self, scope: RosterScope) -> LiveScope {
        let sender = self.watched.entry(scope.sign_in).or_insert_with(|| watch::Sender::new(None));
        change(&sender, Some(scope));
        sender.subscribe()
    }

    /// The sign-ins to ask about. Those without a listener are forgotten.
    pub(super) fn listened(&self) -> Vec<Uuid> {
        self.watched.retain(|_, sender| sender.receiver_count() > 0);
        self.watched.iter().map(|entry| *entry.key()).collect()
    }

    /// What the database says about the sign-ins that were asked about.
    pub(super) fn apply(&self, asked: &[Uuid], found: Vec<RosterScope>) {
        let mut found: HashMap<Uuid, RosterScope> =
            found.into_iter().map(|scope| (scope.sign_in, scope)).collect();
        for sign_in in asked {
            if let Some(sender) = self.watched.get(sign_in) {
                change(&sender, found.remove(sign_in));
            }
        }
    }
}

/// Nothing new wakes nobody.
fn change(sender: &watch::Sender<Option<Arc<RosterScope>>>, to: Option<RosterScope>) {
    sender.send_if_modified(|now| {
        let changes = now.as_deref() != to.as_ref();
        if changes {
            *now = to.map(Arc::new);
        }
        changes
    });
}

impl Auth {
    /// Whose sessions a roster of this person shows, live: within five seconds of a change.
    pub async fn roster(&self, who: &Principal) -> Result<LiveScope, Problem> {
        if who.role == Role::Student {
            return Err(forbidden(who, "roster"));
        }
        self.start_housekeeping();
        let found = self.0.store.roster_scopes(&[who.family]).await?;
        let scope = found.into_iter().find(|scope| scope.user == who.user_id && scope.org == who.org_id);
        Ok(self.0.rosters.listen(scope.ok_or_else(|| forbidden(who, "roster"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id;
    use crate::store::RosterClass;

    fn scope(sign_in: Uuid, students: &[Uuid]) -> RosterScope {
        let class = RosterClass { id: Uuid::nil(), name: "7b".into(), students: students.to_vec() };
        RosterScope { sign_in, user: Uuid::nil(), org: Uuid::nil(), is_admin: false, classes: vec![class] }
    }

    #[test]
    fn what_the_database_says_reaches_the_rosters_and_nothing_new_wakes_nobody() {
        let rosters = Rosters::default();
        let [one, two, ada] = [id::new(), id::new(), id::new()];
        let (mut mine, mut second) = (rosters.listen(scope(one, &[])), rosters.listen(scope(one, &[])));
        let other = rosters.listen(scope(two, &[]));
        let mut asked = rosters.listened();
        asked.sort_unstable();
        assert_eq!(asked, [one, two]);
        rosters.apply(&asked, vec![scope(one, &[]), scope(two, &[])]);
        assert!(!mine.has_changed().unwrap() && !other.has_changed().unwrap());
        rosters.apply(&asked, vec![scope(one, &[ada]), scope(two, &[])]);
        assert_eq!(mine.borrow_and_update().as_ref().unwrap().classes[0].students, [ada]);
        assert!(second.has_changed().unwrap() && !other.has_changed().unwrap());
        rosters.apply(&asked, vec![scope(two, &[])]);
        assert!(mine.borrow_and_update().is_none() && second.borrow_and_update().is_none());
        assert!(other.borrow().is_some());
    }

    #[test]
    fn whoever_has_left_costs_nothing_and_comes_back_to_what_is_so_now() {
        let rosters = Rosters::default();
        let (one, ada) = (id::new(), id::new());
        let listening = rosters.listen(scope(one, &[]));
        rosters.apply(&[one], vec![]);
        drop(listening);
        // Before anybody has looked again.
        assert!(rosters.listen(scope(one, &[ada])).borrow().is_some());
        assert!(rosters.listened().is_empty() && rosters.watched.is_empty());
    }
}
