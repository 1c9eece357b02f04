//! A session is a log: one task writes it, everyone else is a cursor on it.

use bytes::Bytes;

use crate::id::Uuid;
use crate::identity::{Access, Principal};
use crate::protocol::{ErrorCode, Send};

/// All sessions in memory; cheap to clone.
#[derive(Clone)]
pub struct Registry {}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    #[error("no such session")]
    NotFound,
    #[error("the database is not available")]
    Unavailable,
    #[error("the server is restarting")]
    Draining,
}

/// A command that was refused; nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: ErrorCode,
    pub message: std::borrow::Cow<'static, str>,
    pub retry_after_ms: Option<u64>,
}

impl Registry {
    /// The session's handle; wakes it from PostgreSQL when it is not in memory.
    pub async fn open(&self, _id: Uuid) -> Result<Handle, OpenError> {
        unimplemented!()
    }

    /// Ends a session that is being deleted: its run is stopped, its sockets close with 4404.
    /// Resolves when its task has ended; it cannot be woken again before the row is gone.
    pub async fn remove(&self, _id: Uuid) {
        unimplemented!()
    }
}

/// A door to one session's task; cheap to clone.
#[derive(Clone)]
pub struct Handle {}

impl Handle {
    /// For REST: sends a message and follows its run. Resolves when the message is committed.
    pub async fn ask(&self, _who: &Principal, _access: Access, _send: Send) -> Result<Following, Refused> {
        unimplemented!()
    }

    /// The session's title changed through REST.
    pub fn retitled(&self) {}
}

/// A cursor that sees the events of one run alone.
pub struct Following {}

impl Following {
    pub fn run_id(&self) -> Uuid {
        unimplemented!()
    }

    pub fn message_id(&self) -> Uuid {
        unimplemented!()
    }

    /// The next event of the run as JSON (`{"type":"RUN_STARTED",…}`), `None` after
    /// RUN_FINISHED or RUN_ERROR, or when the reader fell behind what the log keeps.
    pub async fn next(&mut self) -> Option<Bytes> {
        unimplemented!()
    }
}
