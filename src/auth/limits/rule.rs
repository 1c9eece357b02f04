//! One rule: so many in so long for each key, in memory that does not grow with the number of keys.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use governor::clock::{Clock, DefaultClock, QuantaInstant};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::config::Rate;
use crate::problem::Problem;

use super::tally;

/// Keys that one rule tells apart. When full, keys that it does not know share one bucket, so that an
/// attacker with a thousand networks costs them and not the memory; known ones keep their own.
const KEYS: usize = 100_000;
/// A full rule forgets who is back at a full allowance, at most this often.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// A rate in governor's words.
pub fn quota(rate: Rate) -> Quota {
    let interval = rate.per / rate.count.get();
    // Only an interval of nothing is none, and a rate has none.
    let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(rate.count));
    quota.allow_burst(rate.count)
}

type Limiter<K> = RateLimiter<K, Keys<K>, DefaultClock, StateInformationMiddleware>;

pub(super) struct Rule<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    keys: Keys<K>,
    limiter: Limiter<K>,
    tidied: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Rule<K> {
    /// `name` is what clients read in `RateLimit-Policy` and operators in the metrics.
    pub(super) fn new(name: &'static str, rate: Rate) -> Rule<K> {
        Rule::with_room_for(KEYS, name, rate)
    }

    fn with_room_for(most: usize, name: &'static str, rate: Rate) -> Rule<K> {
        let keys = Keys(Arc::new(Known {
            own: DashMap::new(),
            shared: InMemoryState::default(),
            turned_away: AtomicU64::new(0),
            most,
        }));
        let limiter = Limiter::new(quota(rate), keys.clone(), DefaultClock::default());
        Rule { name, rate, keys, limiter, tidied: Mutex::new(Instant::now()) }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Takes one from the key's bucket. What is left is noted for the answer's headers.
    pub(super) fn check(&self, key: &K) -> Result<(), Problem> {
        self.take(key).map_err(|wait| Problem::rate_limited().retry_after(wait))
    }

    /// The same; refused with the time until the next one.
    pub(super) fn take(&self, key: &K) -> Result<(), Duration> {
        let taken = self.limiter.check_key(key);
        if self.keys.0.turned_away.load(Ordering::Relaxed) > 0 {
            self.tidy_if_due();
        }
        match taken {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let until_full = (self.rate.per / self.rate.count.get())
                    .saturating_mul(self.rate.count.get().saturating_sub(left));
                tally::note(self.name, self.rate, left, until_full);
                Ok(())
            }
            Err(until) => {
                let wait = until.wait_time_from(self.now());
                tally::note(self.name, self.rate, 0, wait);
                metrics::counter!("fynq_limited_total", "policy" => self.name).increment(1);
                Err(wait)
            }
        }
    }

    fn now(&self) -> QuantaInstant {
        self.limiter.clock().now()
    }

    fn tidy_if_due(&self) {
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        if tidied.elapsed() < TIDY_EVERY {
            return;
        }
        *tidied = Instant::now();
        drop(tidied);
        let strangers = self.keys.0.turned_away.swap(0, Ordering::Relaxed);
        tracing::warn!(policy = self.name, strangers, "a limit knows more callers than it can tell apart");
        self.limiter.retain_recent();
    }

    /// Forgets whoever is back at a full allowance.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// governor's own map, bounded.
struct Keys<K: Hash + Eq + Clone>(Arc<Known<K>>);

struct Known<K: Hash + Eq + Clone> {
    own: DashMap<K, InMemoryState>,
    shared: InMemoryState,
    /// Times that the shared bucket was used since it was last tidied.
    turned_away: AtomicU64,
    most: usize,
}

impl<K: Hash + Eq + Clone> Clone for Keys<K> {
    fn clone(&self) -> Self {
        Keys(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> StateStore for Keys<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Known { own, shared, turned_away, most } = &*self.0;
        // Counting locks each shard in turn, so only who is new is counted.
        if own.contains_key(key) || own.len() < *most {
            return own.measure_and_replace(key, decide);
        }
        turned_away.fetch_add(1, Ordering::Relaxed);
        shared.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Keys<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        ShrinkableKeyedStateStore::retain_recent(&self.0.own, drop_below);
    }

    fn shrink_to_fit(&self) {
        self.0.own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.0.own.len()
    }

    fn is_empty(&self) -> bool {
        self.0.own.is_empty()
    }
}

/// Whom an address counts as: an IPv6 client owns a /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(3, Duration::from_secs(3600));

    #[test]
    fn a_key_that_used_up_its_bucket_is_told_how_long() {
        let rule = Rule::new("test", RATE);
        for _ in 0..3 {
            rule.take(&1).unwrap();
        }
        let wait = rule.take(&1).unwrap_err();
        assert!((Duration::from_secs(1190)..=Duration::from_secs(1200)).contains(&wait), "{wait:?}");
        rule.take(&2).unwrap();
        let refused = rule.check(&1).unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), ("rate_limited", 429));
    }

    #[test]
    fn beyond_what_it_can_tell_apart_strangers_share_a_bucket() {
        let rule = Rule::with_room_for(10, "test", RATE);
        for key in 0..10 {
            rule.take(&key).unwrap();
        }
        let strangers = (100..200).filter(|key| rule.take(key).is_ok()).count();
        assert_eq!(strangers, 3);
        rule.take(&4).unwrap();
        assert_eq!(rule.keys.len(), 10);
    }

    #[test]
    fn a_full_rule_forgets_who_is_back_at_a_full_allowance() {
        let rule = Rule::with_room_for(10, "test", Rate::new(1, Duration::from_millis(1)));
        for key in 0..10 {
            rule.take(&key).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
        rule.take(&100).unwrap();
        *rule.tidied.lock().unwrap() -= TIDY_EVERY;
        std::thread::sleep(Duration::from_millis(5));
        rule.take(&101).unwrap();
        assert_eq!(rule.keys.len(), 0);
        rule.take(&102).unwrap();
        assert_eq!(rule.keys.len(), 1);
        std::thread::sleep(Duration::from_millis(5));
        rule.sweep();
        assert!(rule.keys.is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let c: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network(c));
        assert_eq!(network("::ffff:127.0.0.1".parse().unwrap()), IpAddr::from([127, 0, 0, 1]));
    }
}
