//! How often one may ask. Lifted as a whole by `FYNQ_RATE_LIMIT=off`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::id::Uuid;
use crate::problem::Problem;

const REQUESTS_PER_S: u32 = 100;
const REQUESTS_BURST: u32 = 600;
const SIGN_INS_PER_S: u32 = 2;
const SIGN_INS_BURST: u32 = 100;
/// Codes that one account tries to join a class with …
const JOINS_EVERY: Duration = Duration::from_secs(30);
const JOINS_BURST: u32 = 10;
/// … and all of an address, behind which a whole school may sit in its first lesson.
const JOINS_PER_S: u32 = 2;
const JOINS_ADDRESS_BURST: u32 = 600;
/// Wrong passwords of one account …
const FAILURES: u32 = 10;
/// … within this long.
const FAILURES_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Accounts whose failures are remembered. When full, the oldest half is forgotten: an attacker who
/// could fill it has been slowed by the limit per address long before.
const FAILING_ACCOUNTS: usize = 10_000;

/// Keyed by client address. An IPv6 client owns a /64 and counts as one.
pub struct Limits {
    on: bool,
    clock: DefaultClock,
    requests: DefaultKeyedRateLimiter<IpAddr>,
    sign_ins: DefaultKeyedRateLimiter<IpAddr>,
    joins: DefaultKeyedRateLimiter<IpAddr>,
    joins_user: DefaultKeyedRateLimiter<Uuid>,
    failures: Mutex<HashMap<String, Failures>>,
}

struct Failures {
    count: u32,
    since: Instant,
}

impl Failures {
    /// How long they still count.
    fn left(&self, now: Instant) -> Duration {
        FAILURES_WITHIN.saturating_sub(now.saturating_duration_since(self.since))
    }

    fn may_try(&self, now: Instant) -> Result<(), Problem> {
        let left = self.left(now);
        if self.count < FAILURES || left.is_zero() {
            return Ok(());
        }
        Err(Problem::rate_limited().because("Too many wrong passwords for this account.").retry_after(left))
    }
}

impl Limits {
    pub fn new(on: bool) -> Limits {
        Limits {
            on,
            clock: DefaultClock::default(),
            requests: RateLimiter::keyed(quota(REQUESTS_PER_S, REQUESTS_BURST)),
            sign_ins: RateLimiter::keyed(quota(SIGN_INS_PER_S, SIGN_INS_BURST)),
            joins: RateLimiter::keyed(quota(JOINS_PER_S, JOINS_ADDRESS_BURST)),
            joins_user: RateLimiter::keyed(slow(JOINS_EVERY, JOINS_BURST)),
            failures: Mutex::new(HashMap::new()),
        }
    }

    /// Any request of this address.
    pub fn request(&self, from: IpAddr) -> Result<(), Problem> {
        self.check(&self.requests, from)
    }

    /// An attempt to sign in or up.
    pub fn sign_in(&self, from: IpAddr) -> Result<(), Problem> {
        self.check(&self.sign_ins, from)
    }

    /// A code that somebody tries to join a class with.
    pub fn join(&self, user: Uuid, from: IpAddr) -> Result<(), Problem> {
        self.check(&self.joins, from)?;
        self.check_key(&self.joins_user, &user)
    }

    fn check(&self, limiter: &DefaultKeyedRateLimiter<IpAddr>, from: IpAddr) -> Result<(), Problem> {
        self.check_key(limiter, &network(from))
    }

    fn check_key<K: std::hash::Hash + Eq + Clone>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), Problem> {
        if !self.on {
            return Ok(());
        }
        limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Problem::rate_limited().retry_after(wait)
        })
    }

    /// Whether another password may be tried on this account. Asked before the password is looked
    /// at: once the limit is reached the right one is refused too, or guessing would go on.
    pub fn may_try(&self, email: &str, now: Instant) -> Result<(), Problem> {
        if !self.on {
            return Ok(());
        }
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(email).map_or(Ok(()), |failed| failed.may_try(now))
    }

    /// Counts a password that was tried. Refused like `may_try`, in one step with the counting:
    /// guesses that were sent together must not all be answered.
    pub fn tried(&self, email: &str, right: bool, now: Instant) -> Result<(), Problem> {
        if !self.on {
            return Ok(());
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = failures.get(email) {
            failed.may_try(now)?;
        }
        if right {
            failures.remove(email);
            return Ok(());
        }
        if failures.len() >= FAILING_ACCOUNTS && !failures.contains_key(email) {
            forget_oldest_half(&mut failures);
        }
        let failed = failures.entry(email.to_owned()).or_insert(Failures { count: 0, since: now });
        if failed.left(now).is_zero() {
            *failed = Failures { count: 0, since: now };
        }
        failed.count += 1;
        Ok(())
    }

    /// Forgets whoever is back at a full allowance; called on a timer, so that the maps stay as
    /// small as the number of clients of the last minutes.
    pub fn sweep(&self, now: Instant) {
        for limiter in [&self.requests, &self.sign_ins, &self.joins] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.joins_user.retain_recent();
        self.joins_user.shrink_to_fit();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, failed| !failed.left(now).is_zero());
    }
}

fn forget_oldest_half(failures: &mut HashMap<String, Failures>) {
    let mut ages: Vec<Instant> = failures.values().map(|failed| failed.since).collect();
    ages.sort_unstable();
    let middle = ages.get(ages.len() / 2).copied();
    failures.retain(|_, failed| middle.is_some_and(|middle| failed.since > middle));
}

fn quota(per_second: u32, burst: u32) -> Quota {
    let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst))
}

/// One each `every`, after a burst.
fn slow(every: Duration, burst: u32) -> Quota {
    let one = quota(1, burst);
    Quota::with_period(every).map_or(one, |quota| quota.allow_burst(one.burst_size()))
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn sign_ins_end_after_the_burst_and_say_when_to_return() {
        let limits = Limits::new(true);
        for _ in 0..SIGN_INS_BURST {
            limits.sign_in(HERE).unwrap();
        }
        let refused = limits.sign_in(HERE).unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), ("rate_limited", 429));
        limits.sign_in(IpAddr::from([192, 0, 2, 1])).unwrap();
        limits.request(HERE).unwrap();
    }

    #[test]
    fn off_lifts_them_all() {
        let limits = Limits::new(false);
        let now = Instant::now();
        for _ in 0..REQUESTS_BURST * 2 {
            limits.request(HERE).unwrap();
            limits.sign_in(HERE).unwrap();
            limits.tried("a@example.org", false, now).unwrap();
            limits.may_try("a@example.org", now).unwrap();
        }
    }

    #[test]
    fn ten_wrong_passwords_close_an_account_for_a_while() {
        let limits = Limits::new(true);
        let start = Instant::now();
        for _ in 0..FAILURES {
            limits.may_try("a@example.org", start).unwrap();
            limits.tried("a@example.org", false, start).unwrap();
        }
        assert_eq!(limits.may_try("a@example.org", start).unwrap_err().code(), "rate_limited");
        assert_eq!(limits.tried("a@example.org", true, start).unwrap_err().code(), "rate_limited");
        limits.may_try("b@example.org", start).unwrap();
        let later = start + FAILURES_WITHIN;
        limits.may_try("a@example.org", later).unwrap();
        limits.tried("a@example.org", false, later).unwrap();
        limits.may_try("a@example.org", later).unwrap();
    }

    #[test]
    fn a_right_password_clears_the_account() {
        let limits = Limits::new(true);
        let now = Instant::now();
        for _ in 1..FAILURES {
            limits.tried("a@example.org", false, now).unwrap();
        }
        limits.tried("a@example.org", true, now).unwrap();
        limits.tried("a@example.org", false, now).unwrap();
        limits.may_try("a@example.org", now).unwrap();
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let limits = Limits::new(true);
        let start = Instant::now();
        for n in 0..FAILING_ACCOUNTS + 1 {
            let now = start + Duration::from_millis(n as u64);
            limits.tried(&format!("{n}@example.org"), false, now).unwrap();
        }
        let kept = limits.failures.lock().unwrap();
        assert!(kept.len() <= FAILING_ACCOUNTS, "{}", kept.len());
        assert!(kept.contains_key(&format!("{FAILING_ACCOUNTS}@example.org")));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let c: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        assert_eq!(network("::ffff:127.0.0.1".parse().unwrap()), HERE);
    }
}
