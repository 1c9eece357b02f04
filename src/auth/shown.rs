//! The token that each sign-in of Supabase's last showed, for as long as it works: what a person asks of Supabase's
//! storage is asked with it, and a signed address brings none along. In memory alone, never written down.

use dashmap::DashMap;
use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::id::Uuid;

/// Sign-ins whose token is kept. Beyond, somebody else's goes: they are served with the server's own right until
/// they show theirs again.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Shown(DashMap<Uuid, (SecretString, Timestamp)>);

impl Shown {
    /// The one that works longest stays.
    pub(super) fn note(&self, sign_in: Uuid, token: &str, until: Timestamp) {
        match self.0.get_mut(&sign_in) {
            Some(shown) if shown.1 >= until => return,
            Some(mut shown) => {
                *shown = (token.into(), until);
                return;
            }
            None => {}
        }
        if self.0.len() >= MOST {
            let other = self.0.iter().next().map(|entry| *entry.key());
            if let Some(other) = other {
                self.0.remove(&other);
            }
        }
        self.0.insert(sign_in, (token.into(), until));
    }

    pub(super) fn of(&self, sign_in: Uuid, now: Timestamp) -> Option<SecretString> {
        self.0.get(&sign_in).filter(|shown| shown.1 > now).map(|shown| shown.0.clone())
    }

    /// Of a sign-in that has ended.
    pub(super) fn forget(&self, sign_in: Uuid) {
        self.0.remove(&sign_in);
    }

    /// Forgets what does not work any more.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.0.retain(|_, shown| shown.1 > now);
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn read(shown: &Shown, sign_in: Uuid, now: i64) -> Option<String> {
        shown.of(sign_in, at(now)).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn each_sign_in_has_the_token_that_works_longest_and_none_when_it_has_ended() {
        let shown = Shown::default();
        let (ada, bob) = (crate::id::new(), crate::id::new());
        shown.note(ada, "first", at(10));
        shown.note(bob, "his", at(20));
        assert_eq!(read(&shown, ada, 9).as_deref(), Some("first"));
        shown.note(ada, "second", at(30));
        shown.note(ada, "first", at(10));
        assert_eq!(read(&shown, ada, 9).as_deref(), Some("second"));
        assert_eq!((read(&shown, ada, 30), read(&shown, bob, 19).as_deref()), (None, Some("his")));
        shown.sweep(at(20));
        assert_eq!(shown.0.len(), 1, "what has ended is not kept");
        shown.forget(ada);
        assert_eq!(read(&shown, ada, 9), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let shown = Shown::default();
        for _ in 0..MOST {
            shown.note(crate::id::new(), "t", at(10));
        }
        let last = crate::id::new();
        shown.note(last, "mine", at(10));
        assert_eq!((shown.0.len(), read(&shown, last, 0).as_deref()), (MOST, Some("mine")));
    }
}
