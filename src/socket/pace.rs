//! How fast a peer may speak: commands, and the protocol's own pings.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A burst, and what a person may keep up.
const BURST: u32 = 60;
const PER_SECOND: u32 = 20;
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
    pub(super) fn new(limited: bool) -> Pace {
        let quota = Quota::per_second(at_least_one(PER_SECOND)).allow_burst(at_least_one(BURST));
        Pace { limit: limited.then(|| RateLimiter::direct(quota)), refused: 0 }
    }

    /// One more frame.
    pub(super) fn spoken(&mut self) -> Spoken {
        match self.limit.as_ref().map(RateLimiter::check) {
            None | Some(Ok(_)) => {
                // One by one: in a steady flood a few are always taken, and excuse nothing.
                self.refused = self.refused.saturating_sub(1);
                Spoken::Fine
            }
            Some(Err(until)) => {
                self.refused += 1;
                if self.refused > PATIENCE {
                    return Spoken::TooMuch;
                }
                Spoken::TooFast(until.wait_time_from(DefaultClock::default().now()))
            }
        }
    }
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fine_and_a_flood_is_told_before_it_is_enough() {
        let mut pace = Pace::new(true);
        let spoken: Vec<Spoken> = (0..1000).map(|_| pace.spoken()).collect();
        assert!(spoken[..BURST as usize].iter().all(|spoken| *spoken == Spoken::Fine));
        let told = spoken.iter().filter(|spoken| matches!(spoken, Spoken::TooFast(_))).count();
        assert!(told >= PATIENCE as usize, "{told}");
        assert_eq!(spoken.last(), Some(&Spoken::TooMuch));
    }

    #[test]
    fn without_a_limit_all_is_fine() {
        let mut pace = Pace::new(false);
        assert!((0..1000).all(|_| pace.spoken() == Spoken::Fine));
    }
}
