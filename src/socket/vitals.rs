//! The clock of one socket: when it is pinged, when it is given up, when its token ends.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use crate::app::App;
use crate::clock;
use crate::config;
use crate::identity::Principal;

use super::end::End;

/// `auth_expiring` comes this long before the token's end.
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// To tell that the token ends in so many seconds.
    Expiry(u64),
}

pub(super) struct Vitals {
    settings: config::Socket,
    heard: Instant,
    next_ping: Instant,
    /// When the token's end is told, then when it is meant.
    expiry: Instant,
    told: bool,
}

impl Vitals {
    pub(super) fn new(settings: &config::Socket, left: Duration) -> Vitals {
        let now = Instant::now();
        // The first ping comes at a random point, so that ten thousand do not come at once.
        let phase = rand::rng().random_range(0.0..1.0);
        Vitals {
            heard: now,
            next_ping: now + settings.ping_every.mul_f64(phase),
            expiry: now + left.saturating_sub(EXPIRY_NOTICE),
            told: false,
            settings: settings.clone(),
        }
    }

    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// There is a fresh token.
    pub(super) fn renewed(&mut self, left: Duration) {
        self.expiry = Instant::now() + left.saturating_sub(EXPIRY_NOTICE);
        self.told = false;
    }

    pub(super) fn next(&self) -> Instant {
        self.next_ping.min(self.heard + self.settings.silent_after).min(self.expiry)
    }

    /// One thing at a time. `left`: of the token's life.
    pub(super) fn due(&mut self, left: Duration) -> Result<Due, End> {
        let now = Instant::now();
        if now >= self.heard + self.settings.silent_after {
            return Err(End::Lost);
        }
        if now >= self.expiry {
            if self.told {
                return Err(End::Expired);
            }
            self.told = true;
            self.expiry = now + left + self.settings.expiry_grace;
            return Ok(Due::Expiry(left.as_secs()));
        }
        if now >= self.next_ping {
            self.next_ping = now + self.settings.ping_every;
            return Ok(Due::Ping);
        }
        Ok(Due::Nothing)
    }
}

/// What is left of the token's life.
pub(super) fn remaining(who: &Principal) -> Duration {
    Duration::try_from(who.expires_at.duration_since(clock::now())).unwrap_or_default()
}

/// Counts open sockets for as long as it lives.
pub(super) struct Counted(App);

impl Counted {
    pub(super) fn new(app: &App) -> Counted {
        app.sockets.send_modify(|open| *open += 1);
        metrics::gauge!("fynq_sockets").increment(1.0);
        Counted(app.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.send_modify(|open| *open -= 1);
        metrics::gauge!("fynq_sockets").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> config::Socket {
        config::Socket {
            ping_every: Duration::from_secs(25),
            silent_after: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
            expiry_grace: Duration::from_secs(10),
        }
    }

    const LONG: Duration = Duration::from_secs(100_000);

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_pinged_and_then_given_up() {
        let mut vitals = Vitals::new(&settings(), LONG);
        let (start, mut pings) = (Instant::now(), 0);
        let end = loop {
            tokio::time::sleep_until(vitals.next()).await;
            match vitals.due(LONG) {
                Ok(Due::Ping) => pings += 1,
                Ok(due) => assert_eq!(due, Due::Nothing),
                Err(end) => break end,
            }
        };
        assert_eq!((end, start.elapsed().as_secs()), (End::Lost, 60));
        assert!((2..=3).contains(&pings), "{pings}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_tokens_end_is_told_and_then_meant_unless_there_is_a_fresh_one() {
        let hour = Duration::from_secs(3600);
        let mut vitals = Vitals::new(&settings(), hour);
        let mut begun = Instant::now();
        for round in 0..2 {
            let told = loop {
                tokio::time::sleep_until(vitals.next()).await;
                vitals.heard();
                if let Due::Expiry(seconds) = vitals.due(hour.saturating_sub(begun.elapsed())).unwrap() {
                    break seconds;
                }
            };
            assert_eq!((told, begun.elapsed().as_secs()), (60, 3540), "{round}");
            if round == 0 {
                begun = Instant::now();
                vitals.renewed(hour);
            }
        }
        let end = loop {
            tokio::time::sleep_until(vitals.next()).await;
            vitals.heard();
            if let Err(end) = vitals.due(Duration::ZERO) {
                break end;
            }
        };
        assert_eq!((end, begun.elapsed().as_secs()), (End::Expired, 3610));
    }
}
