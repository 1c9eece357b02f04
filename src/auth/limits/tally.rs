//! What the limits had to say while one request was answered, as the headers `RateLimit-Policy` and
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11): `"requests-user";q=600;w=60` is the rule,
//! `"requests-user";r=599;t=1` what is left of it and the seconds until it is whole again (of a rule
//! that is used up: until the next one).

use std::cell::RefCell;
use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Rate;

pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const LEFT: HeaderName = HeaderName::from_static("ratelimit");

#[derive(Clone, Copy)]
struct Note {
    name: &'static str,
    rate: Rate,
    left: u32,
    wait: Duration,
}

tokio::task_local! {
    /// The rules that this request met; a handful, each of them once.
    static NOTES: RefCell<Vec<Note>>;
}

pub(super) fn note(name: &'static str, rate: Rate, left: u32, wait: Duration) {
    let note = Note { name, rate, left, wait };
    // Outside of a request (a command on a socket) nobody reads headers.
    let _ = NOTES.try_with(|notes| {
        let mut notes = notes.borrow_mut();
        notes.retain(|known| known.name != name);
        notes.push(note);
    });
}

/// Runs `work` and gives the headers that tell of the limits that it met.
pub async fn tallied<F: Future>(work: F) -> (F::Output, HeaderMap) {
    NOTES
        .scope(RefCell::default(), async {
            let output = work.await;
            (output, NOTES.with(|notes| headers(&notes.borrow())))
        })
        .await
}

fn headers(notes: &[Note]) -> HeaderMap {
    let (mut policy, mut left) = (String::new(), String::new());
    for note in notes {
        let comma = if policy.is_empty() { "" } else { ", " };
        let Note { name, rate, .. } = note;
        // Writing into a String cannot fail.
        let _ = write!(policy, "{comma}\"{name}\";q={};w={}", rate.count, rate.per.as_secs());
        let _ = write!(left, "{comma}\"{name}\";r={};t={}", note.left, note.wait.as_millis().div_ceil(1000));
    }
    let mut headers = HeaderMap::new();
    for (name, text) in [(POLICY, policy), (LEFT, left)] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(&text)) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_headers_tell_each_rule_once() {
        let minute = Rate::new(60, Duration::from_secs(60));
        let hour = Rate::new(5, Duration::from_secs(3600));
        let ((), headers) = tallied(async {
            note("requests", minute, 59, Duration::from_millis(900));
            note("sign-ups", hour, 0, Duration::from_millis(719_001));
            note("requests", minute, 58, Duration::from_millis(1900));
        })
        .await;
        assert_eq!(headers[POLICY], r#""sign-ups";q=5;w=3600, "requests";q=60;w=60"#);
        assert_eq!(headers[LEFT], r#""sign-ups";r=0;t=720, "requests";r=58;t=2"#);
        let ((), none) = tallied(async {}).await;
        assert!(none.is_empty());
        note("outside", minute, 1, Duration::ZERO);
    }
}
