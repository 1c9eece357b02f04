//! How fast a peer may speak: commands, and the protocol's own pings.

use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};

use crate::auth;
use crate::config::Rate;

/// So many more refused than taken, and it is enough.
const PATIENCE: u32 = 200;

pub(super) struct Pace {
    /// `None`: no limit.
    limit: Option<DefaultDirectRateLimiter>,
    refused: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Fine,
    /// Refused; when to try again.
    TooFast(Duration),
    /// It was told and does not stop.
    TooMuch,
}

impl Pace {
    pub(super) fn new(limit: Option<Rate>) -> Pace {
        Pace { limit: limit.map(|rate| RateLimiter::direct(auth::quota(rate))), refused: 0 }
    }

    fn here(&self) -> Result<(), Duration> {
        let taken = self.limit.as_ref().map_or(Ok(()), RateLimiter::check);
        taken.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// One more frame. What is let through here is asked for `elsewhere`, where all the account's
    /// sockets count together.
    pub(super) fn spoken(&mut self, elsewhere: impl FnOnce() -> Result<(), Duration>) -> Spoken {
        match self.here().and_then(|()| elsewhere()) {
            Ok(()) => {
                // One by one: in a steady flood a few are always taken, and excuse nothing.
                self.refused = self.refused.saturating_sub(1);
                Spoken::Fine
            }
            Err(wait) => {
                self.refused += 1;
                if self.refused > PATIENCE {
                    return Spoken::TooMuch;
                }
                Spoken::TooFast(wait)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fine_and_a_flood_is_told_before_it_is_enough() {
        let rate = crate::config::Limits::default().commands_socket;
        let mut pace = Pace::new(Some(rate));
        let spoken: Vec<Spoken> = (0..1000).map(|_| pace.spoken(|| Ok(()))).collect();
        assert!(spoken[..rate.count.get() as usize].iter().all(|spoken| *spoken == Spoken::Fine));
        let told = spoken.iter().filter(|spoken| matches!(spoken, Spoken::TooFast(_))).count();
        assert!(told >= PATIENCE as usize, "{told}");
        assert_eq!(spoken.last(), Some(&Spoken::TooMuch));
    }

    #[test]
    fn without_a_limit_all_is_fine() {
        let mut pace = Pace::new(None);
        assert!((0..1000).all(|_| pace.spoken(|| Ok(())) == Spoken::Fine));
        let wait = Duration::from_secs(1);
        assert_eq!(pace.spoken(|| Err(wait)), Spoken::TooFast(wait), "the account's own limit");
    }
}
