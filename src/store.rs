//! PostgreSQL: the pool, the migrations, the queries of the doors, and the writer task.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config;
use crate::id::Uuid;
use crate::protocol::{AuthorKind, ErrorCode, FinishReason, Message, MessageRole, Status, Usage};

/// Everything that talks to the database; cheap to clone.
#[derive(Clone)]
pub struct Store {}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL is away; nothing happened.
    #[error("the database is not available")]
    Unavailable,
    /// A fault of ours or of the schema.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl Store {
    /// A pooled connection. Statements go through `query_typed` and friends: unnamed, so that a
    /// transaction-mode pooler may stand in between; nothing session-wide is ever set.
    pub(crate) async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        unimplemented!()
    }

    pub fn writer(&self) -> &Writer {
        unimplemented!()
    }

    /// What a session's task needs to wake: its row, its student's name, and the newest
    /// not superseded messages (at most `max_messages` and about `max_bytes`), oldest first.
    pub async fn wake_session(
        &self,
        _id: Uuid,
        _max_messages: usize,
        _max_bytes: usize,
    ) -> Result<Option<Woken>, StoreError> {
        unimplemented!()
    }

    /// Whether the session holds this message, superseded or not.
    pub async fn message_exists(&self, _session: Uuid, _message: Uuid) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// At start: closes the runs that a crash left open (`streaming` becomes `interrupted`, text
    /// kept). Returns how many.
    pub async fn close_interrupted(&self) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// At start: sessions with accepted messages whose run has not begun.
    pub async fn sessions_waiting(&self) -> Result<Vec<Uuid>, StoreError> {
        unimplemented!()
    }
}

#[derive(Clone, Debug)]
pub struct Woken {
    pub id: Uuid,
    pub student_id: Uuid,
    pub student_name: String,
    pub title: Option<String>,
    pub hand_raised: bool,
    /// The highest `ord` of any message, superseded ones included; 0 when there is none.
    pub last_ord: i64,
    /// Messages in `ord` order. `edits`: for a queued message, the one it supersedes.
    pub messages: Vec<WokenMessage>,
    /// Older messages exist that were left out.
    pub has_more: bool,
}

#[derive(Clone, Debug)]
pub struct WokenMessage {
    pub message: Message,
    pub ord: i64,
    pub edits: Option<Uuid>,
}

/// One row of `messages` to be inserted (ON CONFLICT DO NOTHING: repeating it is harmless).
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub session_id: Uuid,
    pub id: Uuid,
    pub ord: i64,
    pub run_id: Uuid,
    pub role: MessageRole,
    pub author_id: Option<Uuid>,
    pub author_kind: AuthorKind,
    pub content: Arc<str>,
    pub status: Status,
    pub edits: Option<Uuid>,
    pub created_at: Timestamp,
}

/// The changing columns of a message, whole: repeating it is harmless.
#[derive(Clone, Debug)]
pub struct MessageState {
    pub session_id: Uuid,
    pub id: Uuid,
    pub content: Arc<str>,
    pub status: Status,
    pub finish_reason: Option<FinishReason>,
    pub error: Option<ErrorCode>,
    pub usage: Option<Usage>,
    pub model: Option<String>,
}

/// What the writer can be asked to do. The operations of one request are committed together,
/// inserts before updates.
#[derive(Clone, Debug)]
pub enum Op {
    Insert(NewMessage),
    /// Of a message still `streaming`: an ended one is never changed.
    Update(MessageState),
    /// A queued message's run begins: `queued` becomes `complete`, and the message moves to `ord`,
    /// the place in the conversation where everyone sees it.
    Begin {
        session_id: Uuid,
        id: Uuid,
        ord: i64,
    },
    Supersede {
        session_id: Uuid,
        ids: Vec<Uuid>,
    },
    /// The session was active now; `title` only where there is none.
    Touch {
        session_id: Uuid,
        title: Option<String>,
        at: Timestamp,
    },
    RaiseHand {
        session_id: Uuid,
        raised: bool,
    },
}

/// What the writer does while PostgreSQL is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Refused at once unless it may have been committed already (then it is retried until known).
    Refuse,
    /// Kept and retried until it is committed.
    Insist,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("the database is not available")]
    Unavailable { retry_after: Duration },
    /// The database refused these rows (the session is gone, say); trying again changes nothing.
    #[error("the database refused the rows")]
    Refused,
}

/// The writer task's door; cheap to clone.
#[derive(Clone)]
pub struct Writer {}

impl Writer {
    /// Resolves after COMMIT. Dropping the future does not undo the request once it was queued.
    pub async fn commit(&self, _ops: Vec<Op>, _patience: Patience) -> Result<(), WriteError> {
        unimplemented!()
    }

    /// Whether the last thing heard of PostgreSQL was good.
    pub fn is_up(&self) -> bool {
        unimplemented!()
    }

    /// Resolves when all that was queued before is committed, or given up.
    pub async fn flush(&self) {
        unimplemented!()
    }
}

impl Store {
    pub async fn connect(_settings: &config::Database) -> anyhow::Result<Store> {
        unimplemented!()
    }
}
