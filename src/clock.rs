//! The wall clock, read in one place. Pure code takes `now` as an argument.

pub use jiff::Timestamp;

/// The current time, cut to microseconds: what PostgreSQL keeps.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
