//! Wrong passwords. Whoever guesses is slowed down until guessing leads nowhere, and nobody can lock
//! somebody else out:
//!
//! * one account from one address: ten, then one try every ninety seconds. It binds all who share
//!   that address, so it never closes for good: each try that is let through may be the right one.
//! * one address, whatever the account (one password tried on many), and one account from everywhere
//!   (many machines, one victim): a hundred each. Beyond, an address from which the account has
//!   signed in before is held by the first rule alone; any other waits its turn: the address for one
//!   try every nine seconds, the account for one every five.
//!
//! The counts are this process's own and go with it; so does the memory of who signed in from where.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Limits as Numbers, Rate};
use crate::problem::Problem;

use super::rule::{Rule, network};

/// Keys that each count remembers. When full, the half that is forgiven first is forgotten: an
/// attacker who could fill it has been slowed by the other limits long before.
const REMEMBERED: usize = 100_000;
/// Tries on an account that is under attack, from addresses where it has never signed in.
const UNDER_ATTACK: Rate = Rate::new(1, Duration::from_secs(5));

pub(super) struct Failures {
    hasher: RandomState,
    counts: Mutex<Counts>,
    turns: Rule<u64>,
}

/// Keys are hashes: no address and no e-mail is kept.
struct Counts {
    pairs: Count,
    addresses: Count,
    accounts: Count,
    /// When an account last signed in from an address.
    at_home: HashMap<u64, Instant>,
}

/// A try that was let through; says how to count its end.
pub struct Attempt {
    pair: u64,
    address: u64,
    account: u64,
    /// It waited for its turn on an account that is under attack.
    has_turn: bool,
}

impl Failures {
    pub(super) fn new(numbers: &Numbers) -> Failures {
        Failures {
            hasher: RandomState::new(),
            counts: Mutex::new(Counts {
                pairs: Count::new(numbers.failures),
                addresses: Count::new(numbers.failures_address),
                accounts: Count::new(numbers.failures_account),
                at_home: HashMap::new(),
            }),
            turns: Rule::new("sign-ins-account", UNDER_ATTACK),
        }
    }

    /// Whether another password may be tried. Asked before the password is looked at: once a limit
    /// is reached the right one is refused too, or guessing would go on.
    pub(super) fn may_try(&self, email: &str, from: IpAddr, now: Instant) -> Result<Attempt, Problem> {
        let mut attempt = self.attempt(email, from);
        let under_attack = {
            let counts = self.counts();
            counts.of_the_address(&attempt, now)?;
            counts.under_attack(&attempt, now)
        };
        if under_attack {
            self.turns.take(&attempt.account).map_err(too_many)?;
            attempt.has_turn = true;
        }
        Ok(attempt)
    }

    /// Counts a password that was tried. Refused like `may_try`, in one step with the counting:
    /// guesses that were sent together must not all be answered.
    pub(super) fn tried(&self, attempt: &Attempt, right: bool, now: Instant) -> Result<(), Problem> {
        let mut counts = self.counts();
        counts.of_the_address(attempt, now)?;
        if !attempt.has_turn && counts.under_attack(attempt, now) {
            return Err(too_many(UNDER_ATTACK.per));
        }
        if right {
            counts.pairs.forget(attempt.pair);
            forget_oldest_half(&mut counts.at_home);
            counts.at_home.insert(attempt.pair, now);
            return Ok(());
        }
        counts.pairs.add(attempt.pair, now);
        counts.addresses.add(attempt.address, now);
        counts.accounts.add(attempt.account, now);
        Ok(())
    }

    pub(super) fn sweep(&self, now: Instant) {
        self.turns.sweep();
        let mut counts = self.counts();
        let Counts { pairs, addresses, accounts, .. } = &mut *counts;
        for count in [pairs, addresses, accounts] {
            count.forgiven.retain(|_, at| *at > now);
        }
    }

    fn attempt(&self, email: &str, from: IpAddr) -> Attempt {
        let from = network(from);
        let hash = |what: &dyn Fn(&mut std::hash::DefaultHasher)| {
            use std::hash::Hasher as _;
            let mut hasher = self.hasher.build_hasher();
            what(&mut hasher);
            hasher.finish()
        };
        Attempt {
            pair: hash(&|hasher| (email, from).hash(hasher)),
            address: hash(&|hasher| from.hash(hasher)),
            account: hash(&|hasher| email.hash(hasher)),
            has_turn: false,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn of_the_address(&self, attempt: &Attempt, now: Instant) -> Result<(), Problem> {
        if let Some(wait) = self.pairs.wait(attempt.pair, now) {
            return Err(too_many(wait).because("Too many wrong passwords for this account."));
        }
        match self.addresses.wait(attempt.address, now) {
            Some(wait) if !self.at_home.contains_key(&attempt.pair) => Err(too_many(wait)),
            _ => Ok(()),
        }
    }

    fn under_attack(&self, attempt: &Attempt, now: Instant) -> bool {
        self.accounts.wait(attempt.account, now).is_some() && !self.at_home.contains_key(&attempt.pair)
    }
}

fn too_many(wait: Duration) -> Problem {
    metrics::counter!("fynq_limited_total", "policy" => super::WRONG_PASSWORDS).increment(1);
    Problem::rate_limited().because("Too many wrong passwords.").retry_after(wait)
}

/// For each key the time at which all that it did is forgiven; every failure moves it on.
struct Count {
    rate: Rate,
    forgiven: HashMap<u64, Instant>,
}

impl Count {
    fn new(rate: Rate) -> Count {
        Count { rate, forgiven: HashMap::new() }
    }

    fn each(&self) -> Duration {
        self.rate.per / self.rate.count.get()
    }

    /// How long until one more is allowed; `None`: now.
    fn wait(&self, key: u64, now: Instant) -> Option<Duration> {
        let owed = self.forgiven.get(&key)?.saturating_duration_since(now);
        Some((owed + self.each()).saturating_sub(self.rate.per)).filter(|wait| !wait.is_zero())
    }

    fn add(&mut self, key: u64, now: Instant) {
        forget_oldest_half(&mut self.forgiven);
        let each = self.each();
        let at = self.forgiven.entry(key).or_insert(now);
        *at = (*at).max(now) + each;
    }

    fn forget(&mut self, key: u64) {
        self.forgiven.remove(&key);
    }
}

/// Makes room in a map that is full.
fn forget_oldest_half(map: &mut HashMap<u64, Instant>) {
    if map.len() < REMEMBERED {
        return;
    }
    let mut times: Vec<Instant> = map.values().copied().collect();
    let half = times.len() / 2;
    let (_, middle, _) = times.select_nth_unstable(half);
    let middle = *middle;
    map.retain(|_, at| *at > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "ada@school.example";

    fn failures() -> Failures {
        Failures::new(&Numbers::default())
    }

    fn school() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    fn elsewhere(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n))
    }

    fn attempt(of: &Failures, email: &str, from: IpAddr, right: bool, now: Instant) -> Result<(), Problem> {
        let attempt = of.may_try(email, from, now)?;
        of.tried(&attempt, right, now)
    }

    fn seconds(result: Result<(), Problem>) -> u64 {
        let problem = result.unwrap_err();
        assert_eq!(problem.code(), "rate_limited");
        problem.wait().unwrap().as_secs()
    }

    #[test]
    fn after_ten_wrong_passwords_an_address_gets_one_try_every_ninety_seconds() {
        let of = failures();
        let now = Instant::now();
        for _ in 0..10 {
            attempt(&of, ADA, school(), false, now).unwrap();
        }
        assert_eq!(seconds(attempt(&of, ADA, school(), true, now)), 90);
        attempt(&of, "bob@school.example", school(), true, now).unwrap();
        let later = now + Duration::from_secs(90);
        attempt(&of, ADA, school(), false, later).unwrap();
        assert_eq!(seconds(attempt(&of, ADA, school(), false, later)), 90);
        attempt(&of, ADA, school(), true, later + Duration::from_secs(90)).unwrap();
        attempt(&of, ADA, school(), false, later + Duration::from_secs(90)).unwrap();
    }

    #[test]
    fn guessing_elsewhere_does_not_lock_the_owner_out() {
        let of = failures();
        let now = Instant::now();
        attempt(&of, ADA, school(), true, now).unwrap();
        for n in 0..100 {
            attempt(&of, ADA, elsewhere(n), false, now).unwrap();
        }
        // The next machines wait for their turn; where she signed in before she does not.
        attempt(&of, ADA, elsewhere(200), false, now).unwrap();
        assert!(seconds(attempt(&of, ADA, elsewhere(201), false, now)) <= 5);
        attempt(&of, ADA, school(), true, now).unwrap();
        attempt(&of, "bob@school.example", elsewhere(200), true, now).unwrap();
    }

    #[test]
    fn one_password_tried_on_many_accounts_is_slowed_and_the_regulars_are_not() {
        let of = failures();
        let now = Instant::now();
        attempt(&of, ADA, school(), true, now).unwrap();
        for n in 0..100 {
            attempt(&of, &format!("{n}@school.example"), school(), false, now).unwrap();
        }
        assert_eq!(seconds(attempt(&of, "bob@school.example", school(), true, now)), 9);
        attempt(&of, "bob@school.example", elsewhere(1), true, now).unwrap();
        attempt(&of, ADA, school(), true, now).unwrap();
    }

    #[test]
    fn guesses_that_were_sent_together_are_not_all_answered() {
        let of = failures();
        let now = Instant::now();
        let attempts: Vec<_> = (0..40).map(|_| of.may_try(ADA, school(), now).unwrap()).collect();
        let answered = attempts.iter().filter(|attempt| of.tried(attempt, false, now).is_ok()).count();
        assert_eq!(answered, 10);
        let of = failures();
        let attempts: Vec<_> = (0..300).map(|n| of.may_try(ADA, elsewhere(n), now).unwrap()).collect();
        let answered = attempts.iter().filter(|attempt| of.tried(attempt, false, now).is_ok()).count();
        assert_eq!(answered, 100);
    }

    #[test]
    fn a_right_password_clears_what_the_address_did() {
        let of = failures();
        let now = Instant::now();
        for _ in 0..9 {
            attempt(&of, ADA, school(), false, now).unwrap();
        }
        attempt(&of, ADA, school(), true, now).unwrap();
        for _ in 0..10 {
            attempt(&of, ADA, school(), false, now).unwrap();
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let mut count = Count::new(Numbers::default().failures);
        let start = Instant::now();
        for n in 0..=REMEMBERED as u64 {
            count.add(n, start + Duration::from_micros(n));
        }
        assert!(count.forgiven.len() <= REMEMBERED, "{}", count.forgiven.len());
        assert!(count.forgiven.contains_key(&(REMEMBERED as u64)));
        let of = failures();
        attempt(&of, ADA, school(), false, start).unwrap();
        of.sweep(start + Duration::from_secs(900));
        let counts = of.counts();
        assert!(counts.pairs.forgiven.is_empty() && counts.accounts.forgiven.is_empty());
    }
}
