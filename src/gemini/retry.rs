//! What went wrong with one call, whether another may be tried, and when. Pure: time and chance
//! come as arguments.

use std::time::Duration;

use super::wire;
use crate::protocol::ErrorCode;

const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(8);
/// Nobody watches an empty answer for longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a call failed.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// The model said no: by its HTTP status, or by an error object inside a stream.
    Refused(Refusal),
    /// No connection came about.
    Connect,
    /// The connection broke.
    Cut,
    /// The stream ended in good order, but without a finish reason.
    Ended,
    /// One of our own time limits.
    Timeout,
    /// An answer that is not Gemini's format.
    Unreadable,
    /// What the student sent cannot be read: our own storage is away.
    Storage,
    /// What is sent takes all the memory that there is for it.
    Full,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Google's word for it, `UNAVAILABLE` say; for the operator's log.
    pub(super) word: String,
    pub(super) reason: String,
    pub(super) retry_after: Option<Duration>,
    /// A quota that counts by the day.
    pub(super) daily: bool,
}

impl Refusal {
    pub(super) fn from_error(http_status: Option<u16>, error: &wire::ErrorBody<'_>) -> Refusal {
        let said = error.code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400);
        Refusal {
            status: http_status.or(said).unwrap_or_else(|| from_word(error.status.as_deref())),
            word: plain_word(error.status.as_deref()),
            reason: plain_word(error.reason()),
            retry_after: error.retry_delay().and_then(wire::parse_duration),
            daily: error.is_daily(),
        }
    }
}

/// An error object without a number still has its name.
fn from_word(word: Option<&str>) -> u16 {
    match word {
        Some("RESOURCE_EXHAUSTED") => 429,
        Some("DEADLINE_EXCEEDED") => 504,
        Some("UNAVAILABLE") => 503,
        Some("INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE") => 400,
        Some("UNAUTHENTICATED") => 401,
        Some("PERMISSION_DENIED") => 403,
        Some("NOT_FOUND") => 404,
        Some("CANCELLED") => 499,
        _ => 500,
    }
}

/// Only what cannot carry anybody's text or key may reach the log.
fn plain_word(word: Option<&str>) -> String {
    let is_plain =
        |text: &&str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    word.filter(is_plain).unwrap_or_default().to_owned()
}

impl Trouble {
    /// `given`: the student has seen words of this answer.
    pub(super) fn code(&self, given: bool) -> ErrorCode {
        match self {
            Trouble::Refused(refusal) => match refusal.status {
                429 => ErrorCode::ModelRateLimited,
                408 | 504 => ErrorCode::ModelTimeout,
                400.. => ErrorCode::ModelUnavailable,
                _ => ErrorCode::ModelBadResponse,
            },
            Trouble::Connect => ErrorCode::ModelUnavailable,
            Trouble::Cut if given => ErrorCode::ModelTruncated,
            Trouble::Cut => ErrorCode::ModelUnavailable,
            Trouble::Ended => ErrorCode::ModelTruncated,
            Trouble::Timeout => ErrorCode::ModelTimeout,
            Trouble::Unreadable => ErrorCode::ModelBadResponse,
            Trouble::Storage | Trouble::Full => ErrorCode::StorageUnavailable,
        }
    }

    /// Another call might go better. After our own time limit it might too, but the student has
    /// waited long enough and is told so.
    fn is_passing(&self) -> bool {
        match self {
            Trouble::Refused(refusal) => match refusal.status {
                429 => !refusal.daily,
                408 => true,
                status => status >= 500 && !matches!(status, 501 | 505),
            },
            Trouble::Connect | Trouble::Cut | Trouble::Ended => true,
            Trouble::Timeout | Trouble::Unreadable | Trouble::Storage | Trouble::Full => false,
        }
    }

    /// When the model itself says that it makes sense to come back. Not for a quota of the day:
    /// Google puts seconds there, too.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Trouble::Refused(refusal) if !refusal.daily => refusal.retry_after,
            _ => None,
        }
    }
}

/// Where the answer stands when a call fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Calls made, the failed one included, and how many there may be.
    pub(super) calls: u32,
    pub(super) attempts: u32,
    /// What is left of the time for the whole answer.
    pub(super) left: Duration,
    pub(super) given: bool,
}

#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    RetryIn(Duration),
    Fail { code: ErrorCode, retry_after: Option<Duration> },
}

/// `chance` is uniform in 0..1.
pub(super) fn decide(trouble: &Trouble, at: Standing, chance: f64) -> Decision {
    let retry_after = trouble.retry_after();
    let fail = Decision::Fail { code: trouble.code(at.given), retry_after };
    if at.given || at.calls >= at.attempts || !trouble.is_passing() {
        return fail;
    }
    let wait = match retry_after {
        Some(asked) if asked > LONGEST_WAIT => return fail,
        // At least what was asked for, and not everybody at once.
        Some(asked) => asked.mul_f64(1.0 + 0.2 * chance),
        None => {
            let doubled = BASE.saturating_mul(1 << at.calls.saturating_sub(1).min(16));
            doubled.min(CAP).mul_f64(chance)
        }
    };
    if wait >= at.left { fail } else { Decision::RetryIn(wait) }
}
