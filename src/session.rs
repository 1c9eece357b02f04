//! A session is a log: one task writes it, everyone else is a cursor on it.
//!
//! ```text
//!  Registry ──Handle──▶ mailbox ──▶ task: State ──▶ Log ◀── Cursor (sockets), Following (REST)
//! ```

mod board;
mod commands;
mod control;
mod guidance;
mod handle;
mod library;
mod log;
mod notice;
mod presence;
mod registry;
mod run;
mod says;
mod shelf;
mod signals;
mod state;
mod task;
#[cfg(test)]
mod tests;
mod turns;
mod window;

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::protocol::ErrorCode;
use crate::store::WriteError;

pub use board::{Behind as BehindBoard, Board, Change, Shown, Tile, TileState, Watched, preview};
pub use handle::{Attachment, Following, Handle, Leaving, Names, Viewer};
pub use log::ConnId;
pub(crate) use log::{Behind, Cursor, Item};
pub use registry::{OpenError, Registry};
pub use shelf::{Shelf, Whose};
pub use signals::{Ended, Facts, History, ModelReport, at_rest, judge};

/// A command that was refused; nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: ErrorCode,
    pub message: Cow<'static, str>,
    pub retry_after_ms: Option<u64>,
    /// Which of the message's files is the reason.
    pub file: Option<usize>,
}

impl Refused {
    pub(crate) fn plain(code: ErrorCode) -> Refused {
        Refused::new(code, code.sentence())
    }

    pub(crate) fn new(code: ErrorCode, message: &'static str) -> Refused {
        let retry_after_ms = matches!(code, ErrorCode::Draining | ErrorCode::QueueFull).then_some(2000);
        Refused { code, message: Cow::Borrowed(message), retry_after_ms, file: None }
    }

    /// When it starts anew is said in the sentence, too: it is read by people.
    fn over_quota(until: Timestamp) -> Refused {
        let left = until.duration_since(clock::now());
        let retry_after_ms = u64::try_from(left.as_millis()).unwrap_or(0).max(1);
        let message =
            format!("The quota is used up; it starts anew at {} UTC.", until.strftime("%Y-%m-%d %H:%M"));
        Refused {
            code: ErrorCode::QuotaExceeded,
            message: message.into(),
            retry_after_ms: Some(retry_after_ms),
            file: None,
        }
    }

    /// Somebody else's file is refused in the same words as one that never was.
    fn file(at: usize) -> Refused {
        let message = format!("`files`: number {} is no file of yours that is ready", at + 1);
        Refused { message: message.into(), file: Some(at), ..Refused::plain(ErrorCode::InvalidCommand) }
    }

    pub(crate) fn unavailable(retry_after: Duration) -> Refused {
        let retry_after_ms = Some(retry_after.as_millis() as u64);
        Refused { retry_after_ms, ..Refused::plain(ErrorCode::StorageUnavailable) }
    }
}

impl From<&WriteError> for Refused {
    fn from(error: &WriteError) -> Refused {
        match error {
            WriteError::Unavailable { retry_after } => Refused::unavailable(*retry_after),
            WriteError::Refused => Refused::plain(ErrorCode::Internal),
            WriteError::OverQuota(until) => Refused::over_quota(*until),
        }
    }
}
