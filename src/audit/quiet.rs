//! What was said a moment ago, so that it is not said again and again.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{asking, log};
use crate::id::Uuid;

/// The same thing from the same address, or by the same person, is written down once in this time …
const QUIET_FOR: Duration = Duration::from_secs(60);
/// … for as many of them as this; when it is full, whoever asks decides what becomes of the rest.
const QUIET: usize = 10_000;

/// Who was heard of a moment ago.
#[derive(Default)]
pub struct Quiet(Mutex<HashMap<(&'static str, u128, u128), Instant>>);

impl Quiet {
    /// Whether this was not said within the last minute. `None`: there is no room to remember that it was.
    pub fn is_news(&self, kind: &'static str, who: u128, what: u128) -> Option<bool> {
        self.is_news_at(kind, who, what, Instant::now())
    }

    fn is_news_at(&self, kind: &'static str, who: u128, what: u128, now: Instant) -> Option<bool> {
        let is_old = |at: &Instant| now.duration_since(*at) >= QUIET_FOR;
        let mut quiet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = quiet.get_mut(&(kind, who, what)) {
            let news = is_old(at);
            if news {
                *at = now;
            }
            return Some(news);
        }
        if quiet.len() >= QUIET {
            quiet.retain(|_, at| !is_old(at));
        }
        (quiet.len() < QUIET).then(|| {
            quiet.insert((kind, who, what), now);
            true
        })
    }

    /// As `line`, once a minute for the same person or address.
    pub fn line(&self, event: &'static str, what: &'static str, who: Option<Uuid>, address: Option<IpAddr>) {
        let mut asking = asking();
        asking.address = address.or(asking.address);
        let key = who.map_or_else(|| asking.address.map_or(0, network), |id| id.as_u128());
        if self.is_news(what, key, 0) == Some(true) {
            log(asking, event, what, who, None);
        }
    }
}

/// An IPv6 client owns a /64 and counts as one.
pub fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_a_moment_ago_is_not_again() {
        let (quiet, now) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.is_news_at("a", 1, 2, now), Some(true));
        assert_eq!(quiet.is_news_at("a", 1, 2, now + QUIET_FOR / 2), Some(false));
        assert_eq!(quiet.is_news_at("a", 1, 3, now), Some(true));
        assert_eq!(quiet.is_news_at("b", 1, 2, now), Some(true));
        assert_eq!(quiet.is_news_at("a", 1, 2, now + QUIET_FOR), Some(true));
        for n in 0..QUIET as u128 {
            quiet.is_news_at("a", 3, n, now);
        }
        assert_eq!(quiet.is_news_at("a", 4, 4, now), None);
        assert_eq!(quiet.is_news_at("a", 4, 4, now + QUIET_FOR), Some(true), "the old ones made room");
    }
}
