//! How often one may ask. Lifted as a whole by `FYNQ_RATE_LIMIT=off`.
//!
//! By address before anything is known of a caller, by account once a token was verified. Nothing is
//! counted by class: a class shares an address already, its students are counted one by one, and what
//! a class may cost is a matter of quotas. Each count is this process's own.

mod at_once;
mod failures;
mod rule;
mod tally;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::audit::Quiet;
use crate::config::{Limits as Numbers, Rate};
use crate::id::Uuid;
use crate::problem::Problem;

pub use at_once::Place;
pub use failures::Attempt;
pub use rule::quota;
pub use tally::{LEFT, POLICY, tallied};

use at_once::AtOnce;
use failures::Failures;
use rule::{Rule, network};

/// Codes that one account tries to join a class with …
const JOINS_USER: u32 = 10;
/// … and all of an address, behind which a whole school may sit in its first lesson …
const JOINS_ADDRESS: u32 = 600;
/// … within this long. Nobody guesses a code of 60 bits like that.
const JOINS_PER: Duration = Duration::from_secs(300);
/// What one account may have made by the model in the background, within this long.
const MAKES_USER: u32 = 30;
const MAKES_PER: Duration = Duration::from_secs(600);

// Names of what is no rule, as rules have them.
const WRONG_PASSWORDS: &str = "wrong-passwords";
const SOCKETS: &str = "sockets-user";
const WATCHED: &str = "watched-tasks-user";
/// Streams of tasks that one person may have.
const WATCHED_OF_ONE: u32 = 8;
const CONNECTIONS: &str = "connections-address";

pub struct Limits {
    /// `None`: lifted.
    on: Option<On>,
    /// Streams of tasks, as many of one person whatever else is lifted: all of them share a few.
    watched: AtOnce<Uuid>,
    /// Who was heard of in the log a moment ago.
    quiet: Quiet,
}

struct On {
    requests_address: Rule<IpAddr>,
    requests_user: Rule<Uuid>,
    handshakes_address: Rule<IpAddr>,
    handshakes_user: Rule<Uuid>,
    sign_ins: Rule<IpAddr>,
    sign_ups: Rule<IpAddr>,
    refreshes: Rule<IpAddr>,
    commands: Rule<Uuid>,
    joins_address: Rule<IpAddr>,
    joins_user: Rule<Uuid>,
    makes_user: Rule<Uuid>,
    failures: Failures,
    sockets: AtOnce<Uuid>,
    connections: AtOnce<IpAddr>,
}

impl Limits {
    pub fn new(on: bool, numbers: &Numbers) -> Limits {
        let on = on.then(|| On {
            requests_address: Rule::new("requests-address", numbers.requests_address),
            requests_user: Rule::new("requests-user", numbers.requests_user),
            handshakes_address: Rule::new("handshakes-address", numbers.handshakes_address),
            handshakes_user: Rule::new("handshakes-user", numbers.handshakes_user),
            sign_ins: Rule::new("sign-ins-address", numbers.sign_ins_address),
            sign_ups: Rule::new("sign-ups-address", numbers.sign_ups_address),
            refreshes: Rule::new("refreshes-address", numbers.refreshes_address),
            commands: Rule::new("commands-user", numbers.commands_user),
            joins_address: Rule::new("joins-address", Rate::new(JOINS_ADDRESS, JOINS_PER)),
            joins_user: Rule::new("joins-user", Rate::new(JOINS_USER, JOINS_PER)),
            makes_user: Rule::new("makes-user", Rate::new(MAKES_USER, MAKES_PER)),
            failures: Failures::new(numbers),
            sockets: AtOnce::new(numbers.sockets_user),
            connections: AtOnce::new(numbers.connections_address),
        });
        Limits { on, watched: AtOnce::new(WATCHED_OF_ONE), quiet: Quiet::default() }
    }

    fn of_address(&self, rule: fn(&On) -> &Rule<IpAddr>, from: IpAddr) -> Result<(), Problem> {
        let Some(on) = &self.on else { return Ok(()) };
        let rule = rule(on);
        rule.check(&network(from)).inspect_err(|_| self.quiet.line("limited", rule.name(), None, Some(from)))
    }

    fn of_user(&self, rule: fn(&On) -> &Rule<Uuid>, user: Uuid) -> Result<(), Duration> {
        let Some(on) = &self.on else { return Ok(()) };
        let rule = rule(on);
        rule.take(&user).inspect_err(|_| self.quiet.line("limited", rule.name(), Some(user), None))
    }

    /// Any request of this address.
    pub fn request(&self, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.requests_address, from)
    }

    /// Any request of this account.
    pub fn request_of(&self, user: Uuid) -> Result<(), Problem> {
        self.of_user(|on| &on.requests_user, user).map_err(too_many)
    }

    /// A socket that this address wants to open.
    pub fn handshake(&self, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.handshakes_address, from)
    }

    /// A socket that this account wants to open.
    pub fn handshake_of(&self, user: Uuid) -> Result<(), Problem> {
        self.of_user(|on| &on.handshakes_user, user).map_err(too_many)
    }

    /// An attempt to sign in.
    pub fn sign_in(&self, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.sign_ins, from)
    }

    /// An attempt to make an account.
    pub fn sign_up(&self, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.sign_ups, from)
    }

    /// A code that somebody tries to join a class with.
    pub fn join(&self, user: Uuid, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.joins_address, from)?;
        self.of_user(|on| &on.joins_user, user).map_err(too_many)
    }

    /// Something that this account wants the model to make in the background.
    pub fn make(&self, user: Uuid) -> Result<(), Problem> {
        self.of_user(|on| &on.makes_user, user).map_err(too_many)
    }

    /// A refresh token that is shown.
    pub fn refresh(&self, from: IpAddr) -> Result<(), Problem> {
        self.of_address(|on| &on.refreshes, from)
    }

    /// A command of this account on any of its sockets; refused with the time until the next.
    pub fn command(&self, user: Uuid) -> Result<(), Duration> {
        self.of_user(|on| &on.commands, user)
    }

    /// Whether a password may be tried on this account from there; asked before it is looked at.
    pub fn may_try(&self, email: &str, from: IpAddr, now: Instant) -> Result<Option<Attempt>, Problem> {
        let Some(on) = &self.on else { return Ok(None) };
        let attempt = on.failures.may_try(email, from, now);
        attempt.map(Some).inspect_err(|_| self.quiet.line("limited", WRONG_PASSWORDS, None, Some(from)))
    }

    /// Counts a password that was tried; refused like `may_try`.
    pub fn tried(&self, attempt: Option<&Attempt>, right: bool, now: Instant) -> Result<(), Problem> {
        match (&self.on, attempt) {
            (Some(on), Some(attempt)) => {
                let counted = on.failures.tried(attempt, right, now);
                counted.inspect_err(|_| self.quiet.line("limited", WRONG_PASSWORDS, None, None))
            }
            _ => Ok(()),
        }
    }

    /// A place among the account's open sockets, held for as long as the socket is.
    pub fn socket(&self, user: Uuid) -> Result<Place<Uuid>, Problem> {
        let Some(on) = &self.on else { return Ok(Place::uncounted()) };
        on.sockets.enter(user).ok_or_else(|| {
            metrics::counter!("fynq_limited_total", "policy" => SOCKETS).increment(1);
            self.quiet.line("limited", SOCKETS, Some(user), None);
            let problem = Problem::rate_limited().because("Too many sockets of this account are open.");
            // A peer that went away without a word is noticed within a minute.
            problem.retry_after(Duration::from_secs(10))
        })
    }

    /// A place among the tasks that this account watches.
    pub fn watch(&self, user: Uuid) -> Result<Place<Uuid>, Problem> {
        self.watched.enter(user).ok_or_else(|| {
            metrics::counter!("fynq_limited_total", "policy" => WATCHED).increment(1);
            self.quiet.line("limited", WATCHED, Some(user), None);
            Problem::overloaded().because("Too many tasks are watched by this account.")
        })
    }

    /// A place among the address's open connections; `None`: there is none left.
    pub fn connection(&self, from: IpAddr) -> Option<Place<IpAddr>> {
        let Some(on) = &self.on else { return Some(Place::uncounted()) };
        let place = on.connections.enter(network(from));
        if place.is_none() {
            metrics::counter!("fynq_limited_total", "policy" => CONNECTIONS).increment(1);
            self.quiet.line("limited", CONNECTIONS, None, Some(from));
        }
        place
    }

    /// That somebody was refused for another reason than a limit; a line once a minute.
    pub fn refused(&self, what: &'static str, who: Option<Uuid>, from: Option<IpAddr>) {
        self.quiet.line("refused", what, who, from);
    }

    /// Forgets whoever is back at a full allowance; called on a timer, so that the maps stay as
    /// small as the number of clients of the last minutes.
    pub fn sweep(&self, now: Instant) {
        let Some(on) = &self.on else { return };
        for rule in [
            &on.requests_address,
            &on.handshakes_address,
            &on.sign_ins,
            &on.sign_ups,
            &on.refreshes,
            &on.joins_address,
        ] {
            rule.sweep();
        }
        for rule in [&on.requests_user, &on.handshakes_user, &on.commands, &on.joins_user, &on.makes_user] {
            rule.sweep();
        }
        on.failures.sweep(now);
    }
}

fn too_many(wait: Duration) -> Problem {
    Problem::rate_limited().retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn each_limit_has_a_bucket_of_its_own() {
        let limits = Limits::new(true, &Numbers::default());
        for _ in 0..300 {
            limits.sign_up(HERE).unwrap();
        }
        let refused = limits.sign_up(HERE).unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), ("rate_limited", 429));
        limits.sign_up(IpAddr::from([192, 0, 2, 1])).unwrap();
        limits.sign_in(HERE).unwrap();
        limits.request(HERE).unwrap();
        limits.refresh(HERE).unwrap();
        limits.handshake(HERE).unwrap();
    }

    /// The reason for the numbers: a school of a thousand behind one address begins a lesson.
    #[test]
    fn a_school_behind_one_address_gets_in() {
        let limits = Limits::new(true, &Numbers::default());
        let now = Instant::now();
        let mut open = Vec::new();
        for n in 0..1000_u128 {
            let (user, email) = (Uuid::from_u128(n), format!("{n}@school.example"));
            limits.sign_in(HERE).unwrap();
            let attempt = limits.may_try(&email, HERE, now).unwrap();
            limits.tried(attempt.as_ref(), true, now).unwrap();
            limits.refresh(HERE).unwrap();
            for _ in 0..8 {
                limits.request(HERE).unwrap();
                limits.request_of(user).unwrap();
            }
            for _ in 0..2 {
                limits.handshake(HERE).unwrap();
                limits.handshake_of(user).unwrap();
                open.push(limits.socket(user).unwrap());
            }
        }
        for _ in 0..300 {
            limits.sign_up(HERE).unwrap();
        }
    }

    #[test]
    fn an_account_has_ten_sockets() {
        let limits = Limits::new(true, &Numbers::default());
        let mut open: Vec<_> = (0..10).map(|_| limits.socket(Uuid::nil()).unwrap()).collect();
        let refused = limits.socket(Uuid::nil()).err().unwrap();
        assert_eq!((refused.code(), refused.status().as_u16()), ("rate_limited", 429));
        limits.socket(Uuid::max()).unwrap();
        open.pop();
        limits.socket(Uuid::nil()).unwrap();
    }

    #[test]
    fn off_lifts_them_all() {
        let limits = Limits::new(false, &Numbers::default());
        let now = Instant::now();
        let mut held = Vec::new();
        for _ in 0..20_000 {
            limits.request(HERE).unwrap();
            limits.request_of(Uuid::nil()).unwrap();
            limits.handshake(HERE).unwrap();
            limits.handshake_of(Uuid::nil()).unwrap();
            limits.sign_in(HERE).unwrap();
            limits.sign_up(HERE).unwrap();
            limits.refresh(HERE).unwrap();
            limits.command(Uuid::nil()).unwrap();
            let attempt = limits.may_try("a@example.org", HERE, now).unwrap();
            limits.tried(attempt.as_ref(), false, now).unwrap();
            held.push((limits.socket(Uuid::nil()).unwrap(), limits.connection(HERE).unwrap()));
        }
    }
}
