//! How often and how many: the numbers of every limit, and how an operator writes them.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many in so long: a bucket that holds `count` and is full again after `per`. Whoever has used it
/// up gets one more every `per / count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub per: Duration,
}

/// The longest time that a rate may speak of; longer ones need a memory that outlives the process.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Rate {
    pub const fn new(count: u32, per: Duration) -> Rate {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Rate { count, per }
    }

    /// `60/1m`, `10/15m`, `60/h`: a count, then a time in `s`, `m` or `h`.
    pub(super) fn parse(text: &str) -> Result<Rate, &'static str> {
        let wrong = "is not a count and a time, such as 60/1m (units: s, m, h; a day at most)";
        let (count, per) = text.split_once('/').ok_or(wrong)?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| wrong)?;
        let per = per.trim();
        let unit = per.chars().last().ok_or(wrong)?;
        let number = per.strip_suffix(unit).unwrap_or_default();
        let number: u32 = if number.is_empty() { 1 } else { number.parse().map_err(|_| wrong)? };
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(wrong),
        };
        let per = Duration::from_secs(u64::from(number) * seconds);
        if per.is_zero() || per > LONGEST || count.get() > 1_000_000 {
            return Err(wrong);
        }
        Ok(Rate { count, per })
    }
}

/// A school sits behind one address. So whatever is limited by address alone is generous enough for
/// a thousand students who begin a lesson in the same minute, and what holds a single person is
/// counted by account.
#[derive(Clone, Debug)]
pub struct Limits {
    pub requests_address: Rate,
    pub requests_user: Rate,
    pub handshakes_address: Rate,
    pub handshakes_user: Rate,
    pub sign_ins_address: Rate,
    /// Wrong passwords of one account from one address.
    pub failures: Rate,
    /// Wrong passwords from one address, whatever the account.
    pub failures_address: Rate,
    /// Wrong passwords of one account, wherever from.
    pub failures_account: Rate,
    pub sign_ups_address: Rate,
    pub refreshes_address: Rate,
    pub commands_socket: Rate,
    pub commands_user: Rate,
    /// Open at once.
    pub sockets_user: u32,
    /// Open at once, sockets not counted.
    pub connections_address: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        Limits {
            requests_address: Rate::new(12_000, MINUTE),
            requests_user: Rate::new(600, MINUTE),
            handshakes_address: Rate::new(3_000, MINUTE),
            handshakes_user: Rate::new(60, MINUTE),
            sign_ins_address: Rate::new(1_200, MINUTE.saturating_mul(15)),
            failures: Rate::new(10, MINUTE.saturating_mul(15)),
            failures_address: Rate::new(100, MINUTE.saturating_mul(15)),
            failures_account: Rate::new(100, MINUTE.saturating_mul(15)),
            sign_ups_address: Rate::new(300, MINUTE.saturating_mul(60)),
            refreshes_address: Rate::new(1_200, MINUTE),
            commands_socket: Rate::new(60, SECOND.saturating_mul(3)),
            commands_user: Rate::new(120, SECOND.saturating_mul(3)),
            sockets_user: 10,
            connections_address: 5_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        let read = |text| Rate::parse(text).map(|rate| (rate.count.get(), rate.per.as_secs()));
        assert_eq!(read("60/1m"), Ok((60, 60)));
        assert_eq!(read("10 / 15m"), Ok((10, 900)));
        assert_eq!(read("5/h"), Ok((5, 3600)));
        assert_eq!(read("120/3s"), Ok((120, 3)));
        for bad in
            ["", "60", "60/", "/1m", "0/1m", "-1/1m", "60/0s", "60/1", "60/1d", "60/25h", "x/1m", "60/ü"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("4294967295/1s").is_err(), "a rate that is none");
    }
}
