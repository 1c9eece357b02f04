//! PostgreSQL: the pool, the migrations, the queries of the doors, and the writer task.
//!
//! Every statement lies in `sql/`, goes out unnamed and leaves nothing behind on its connection,
//! so that a transaction-mode pooler may stand in between.

pub mod accounts;
mod attachments;
mod audit;
mod chat;
pub mod classes;
mod content;
pub mod credentials;
mod digest;
mod ears;
mod files;
pub mod local;
mod messages;
pub mod migrate;
mod notes;
mod paces;
mod pages;
pub mod people;
mod pool;
mod records;
mod replay;
mod roster;
mod scope;
mod sessions;
pub mod sign_ins;
mod study;
mod summaries;
mod tasks;
mod tls;
mod tutoring;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::Timestamp;
use crate::config;
use crate::id::Uuid;
use crate::protocol::{
    Author, AuthorKind, ErrorCode, FinishReason, HandUp, Message, MessageRole, Person, Status, Usage,
    Whispered,
};

pub use audit::{Audit, Audited};
pub use content::{
    Content, ContentFilter, ContentPlace, ContentQuery, ContentVersion, FoundContent, NewContent, OldContent,
    Piece,
};
pub use digest::{Digest, DigestSignal, DigestStudent, Helped, SignalCount};
pub use ears::Ear;
pub use files::{Arrived, Document, File, NewFile, Room};
use local::LocalPostgres;
pub(crate) use messages::ASSISTANT;
pub use messages::{MessagesFrom, Reached};
pub use notes::Note;
pub use paces::{Pace, Paces};
pub use pages::{ContentFile, ContentPage, PagesRead};
pub use pool::Address;
pub use records::{
    Consent, Deleter, Deletion, NewConsent, Overdue, Part, Policy, PolicyChange, Recorded, Used,
};
pub use replay::{Acted, Replayed, Shown};
pub use roster::{RosterClass, RosterRow, RosterScope};
use scope::{Actor, Scope, Scopes};
pub use sessions::{Listed, NewSession, Page, SeenPerson, SeenSession, Session, SessionChange, SessionsOf};
pub use study::{AskedFor, Source, StudyChange, StudySet, Worksheet};
pub use summaries::{Quiet, Said, Summary};
pub use tasks::{Depth, Effect, Held, NewTask, Retry, Taken, Task, TaskFilter, TasksOf};
pub use tutoring::{Mark, MarkChange, NewAct, NewSignal, NewWhisper, TutorRow};
pub use writer::Writer;

/// How long a door's query may take before its caller is told that the database is away.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a start waits for a server that is itself still starting.
const PATIENCE_AT_START: Duration = Duration::from_secs(15);

/// Parameters of a statement with their types: what an unnamed statement needs.
pub(crate) type Params<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// Everything that talks to the database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Parts>);

struct Parts {
    address: Address,
    scopes: Scopes,
    /// One connection for the heartbeats of tasks: they never wait behind what the tasks ask.
    beats: Scopes,
    writer: Writer,
    audit: Audit,
    paces: Paces,
    /// The private server, when it is ours to stop.
    local: Mutex<Option<LocalPostgres>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL is away; a statement that was on its way may have happened or not.
    #[error("the database is not available")]
    Unavailable,
    /// Something unique is there already (SQLSTATE 23505).
    #[error("it exists already")]
    Exists,
    /// It names something that is not there, or that is not for whoever asks.
    #[error("there is no such row for them")]
    Missing,
    /// A fault of ours or of the schema.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl From<tokio_postgres::Error> for StoreError {
    /// Keeps the server's message, never its detail: that quotes the row.
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            None if error.is_closed() || writer::is_io(&error) => StoreError::Unavailable,
            None => StoreError::Refused(error.to_string()),
            Some(said) if *said.code() == SqlState::UNIQUE_VIOLATION => StoreError::Exists,
            // Whether the other row is not there or somebody else's is not to be told.
            Some(said) if *said.code() == SqlState::FOREIGN_KEY_VIOLATION => StoreError::Missing,
            // `fynq.finish_task`: it is held no more.
            Some(said) if *said.code() == SqlState::NO_DATA_FOUND => StoreError::Missing,
            Some(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
                tracing::error!(error = said.message(), "row level security refused a statement");
                StoreError::Missing
            }
            Some(said) if writer::is_data_fault(said.code()) => {
                StoreError::Refused(format!("{} ({})", said.message(), said.code().code()))
            }
            Some(_) => StoreError::Unavailable,
        }
    }
}

impl Store {
    /// Opens the database of `settings`, or the private one under `data_dir`, brings its schema
    /// up to date and starts the writer.
    pub async fn connect(settings: &config::Database, data_dir: &Path) -> anyhow::Result<Store> {
        let (address, local) = Store::address(settings, data_dir).await?;
        let ran = when_it_is_up(&address).await?;
        if ran > 0 {
            tracing::info!(ran, version = migrate::newest(), "the database's schema is up to date");
        }
        let address = match &local {
            // The private server's owner is a superuser: nobody serves as that one.
            Some(_) => {
                migrate::open_login(&address).await?;
                address.as_login(migrate::LOGIN)
            }
            None => address,
        };
        let scopes = Scopes::new(address.pool(settings.pool_size)?);
        let beats = Scopes::new(address.pool(1)?);
        let writer = Writer::start(address.clone());
        let (audit, paces) = (Audit::start(scopes.clone()), Paces::start(scopes.clone()));
        Ok(Store(Arc::new(Parts { address, scopes, beats, writer, audit, paces, local: Mutex::new(local) })))
    }

    /// Brings the schema up to date and nothing more. Returns how many migrations ran.
    pub async fn migrate(settings: &config::Database, data_dir: &Path) -> anyhow::Result<usize> {
        let (address, local) = Store::address(settings, data_dir).await?;
        let ran = when_it_is_up(&address).await;
        if let Some(local) = local {
            local.stop().await;
        }
        ran
    }

    async fn address(
        settings: &config::Database,
        data_dir: &Path,
    ) -> anyhow::Result<(Address, Option<LocalPostgres>)> {
        if let Some(address) = Address::given(settings)? {
            return Ok((address, None));
        }
        let local = LocalPostgres::start(data_dir, settings.bin_dir.as_deref())
            .await
            .context("no DATABASE_URL, and no private PostgreSQL")?;
        Ok((Address::new(local.config().clone(), None)?, Some(local)))
    }

    /// Commits what waits, closes the connections, and stops the private server if there is one.
    pub async fn close(&self) {
        self.0.writer.close().await;
        self.0.audit.close().await;
        self.0.paces.close().await;
        self.0.scopes.close();
        self.0.beats.close();
        let local = self.0.local.lock().await.take();
        if let Some(local) = local {
            local.stop().await;
        }
    }

    /// As somebody who is signed in.
    fn as_user(&self, id: Uuid) -> Scope<'_> {
        self.0.scopes.of(Actor::User(id))
    }

    /// As the admin of an organisation.
    fn as_admin(&self, id: Uuid) -> Scope<'_> {
        self.0.scopes.of(Actor::Admin(id))
    }

    /// Before anybody is known.
    fn at_the_door(&self) -> Scope<'_> {
        self.0.scopes.of(Actor::Door)
    }

    /// As the sessions in memory.
    fn as_task(&self) -> Scope<'_> {
        self.0.scopes.of(Actor::Task)
    }

    /// As the housekeeping.
    fn as_jobs(&self) -> Scope<'_> {
        self.0.scopes.of(Actor::Jobs)
    }

    pub fn writer(&self) -> &Writer {
        &self.0.writer
    }

    /// For the doctor: where the database is, without its password.
    pub fn address_shown(&self) -> String {
        self.0.address.shown()
    }

    /// Whether the database answers and has the schema that this binary needs.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self.0.scopes.schema().await? {
            migrate::Schema::Current => Ok(()),
            _ => Err(StoreError::Refused("the schema is not this version's".into())),
        }
    }
}

/// Migrates; a server that is still starting (they may have been started together) is waited for.
async fn when_it_is_up(address: &Address) -> anyhow::Result<usize> {
    let begun = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let error = match address.connect().await {
            Ok(_) => return migrate::run(address).await,
            Err(error) => error,
        };
        let distrusted = writer::is_distrusted(&error);
        let starting = match error.code() {
            Some(code) => *code == SqlState::CANNOT_CONNECT_NOW,
            None => writer::is_io(&error) && !distrusted,
        };
        if !starting || begun.elapsed() > PATIENCE_AT_START {
            let hint = if distrusted {
                "; sslrootcert=/path/to/ca.pem there, or FYNQ_DATABASE_CA, names the authority that signed it"
            } else {
                ""
            };
            bail!("DATABASE_URL: {} cannot be reached: {}{hint}", address.shown(), writer::told(&error));
        }
        if !told {
            tracing::info!("waiting for the database at {}", address.shown());
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[derive(Clone, Debug)]
pub struct Woken {
    pub id: Uuid,
    pub student_id: Uuid,
    pub org_id: Uuid,
    /// Whether the organisation lets its students see who watches.
    pub show_watchers: bool,
    pub student_name: String,
    /// The account was disabled, or the consent withdrawn, since what waits was accepted.
    pub silent: bool,
    /// Of what waits, what was said while a tutor held the session, and so was not charged.
    pub owed: Vec<Uuid>,
    pub title: Option<String>,
    pub subject: Option<String>,
    pub hand_raised: bool,
    /// Commands without a message that took effect, the newest first.
    pub done: Vec<Uuid>,
    /// The highest `ord` in the conversation, superseded messages included; 0 when there is none.
    pub last_ord: i64,
    /// Messages in `ord` order, so the queued ones last. `edits`: for those, the one it supersedes.
    pub messages: Vec<WokenMessage>,
    /// Older messages exist that were left out.
    pub has_more: bool,
    /// The tutor who has taken over, and the number of that change.
    pub held: Option<(Person, i64)>,
    /// The number of the last change of control.
    pub control_epoch: i64,
    pub hand: Option<HandUp>,
    /// Those that wait for the model, oldest first.
    pub whispers: Vec<Whispered>,
    /// Who dealt with the last signal of safety, and when.
    pub dealt_with: Option<(Person, Timestamp)>,
}

#[derive(Clone, Debug)]
pub struct WokenMessage {
    pub message: Message,
    pub ord: i64,
    pub edits: Option<Uuid>,
}

/// By whom a message was sent, and with which kind of command: what is sent again must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub by: Option<Uuid>,
    pub kind: AuthorKind,
    /// It is an edit or a correction.
    pub replaces: bool,
}

impl From<&Message> for Sent {
    fn from(message: &Message) -> Sent {
        let Author { id: by, kind, .. } = message.author;
        Sent { by, kind, replaces: message.edits.or(message.corrects).is_some() }
    }
}

/// What an edit needs to know when it reaches back beyond what its session has in memory.
#[derive(Clone, Debug)]
pub struct Past {
    /// The place from which on everything is superseded.
    pub from: i64,
    /// What is superseded, oldest first.
    pub gone: Vec<Uuid>,
    /// What stays: the messages right before that place, as a waking session would get them.
    pub kept: Vec<WokenMessage>,
    /// Older messages exist that were left out.
    pub has_more: bool,
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
    pub files: Arc<[Uuid]>,
    pub created_at: Timestamp,
    /// It counts against the quotas: a question, or the answer to one that is asked again.
    pub charged: bool,
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

/// Places from here on are of messages that wait for their run: behind every place in a
/// conversation, so that each list ends with what waits, whatever was said since it was accepted.
pub const WAITING: i64 = 1 << 62;

/// What the writer can be asked to do. The operations of one request are committed together,
/// inserts before updates.
#[derive(Clone, Debug)]
pub enum Op {
    Insert(NewMessage),
    /// Of a message still `streaming`: an ended one is never changed.
    Update(MessageState),
    /// A queued message's run begins: `queued` becomes `complete`, and the message moves from
    /// among those that wait to `ord`, the place in the conversation where everyone sees it.
    Begin {
        session_id: Uuid,
        id: Uuid,
        ord: i64,
    },
    /// The conversation from one place on, up to `before`, where what takes its place begins.
    Supersede {
        session_id: Uuid,
        from: i64,
        before: i64,
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
    /// A quota is used up until then; nothing was written.
    #[error("a quota is used up until {0}")]
    OverQuota(Timestamp),
}
