//! Doors to a session's task: what a socket and a REST call hold.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::audit;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Access, Principal};
use crate::protocol::{Command, ErrorCode, HandUp, Person, Send};

use super::Refused;
use super::log::{Behind, ConnId, Cursor, Item};
use super::registry::OpenError;
use super::state::Accepted;

/// What the task is asked.
pub(super) enum Request {
    /// Is the session there?
    Hello(oneshot::Sender<Result<(), OpenError>>),
    Attach(Viewer, Option<(Uuid, u64)>, oneshot::Sender<Attachment>),
    /// A reader that fell behind starts anew.
    Snapshot(ConnId, oneshot::Sender<Attachment>),
    Detach(ConnId, Leaving),
    Command(Viewer, Command, Option<Asking>),
    /// Somebody who may watch comes to a raised hand.
    Claim(Viewer, oneshot::Sender<Result<HandUp, Refused>>),
    Hold(Hold),
    /// The organisation has decided whether its students see who watches.
    ShowWatchers {
        org: Uuid,
        show: bool,
    },
    /// This student may put no questions any more.
    Hush(Uuid),
    /// The student calls it something else.
    Named(Names),
    /// Somebody has seen to what was signalled for safety.
    DealtWith(Person, Timestamp),
}

/// What of a session's names has changed: to another, or to none.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub title: Option<Option<String>>,
    pub subject: Option<Option<String>>,
}

/// Why a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    Left,
    /// They may not be here any more: what they hold does not wait for their return.
    RightsEnded,
}

/// Keeps a session still while its row is deleted.
pub(super) struct Hold {
    /// Answered when it does.
    pub(super) still: oneshot::Sender<()>,
    /// The row is gone; dropped: that failed.
    pub(super) gone: oneshot::Receiver<()>,
}

pub(super) type Asking = oneshot::Sender<Result<Following, Refused>>;

/// A caller that waits for its message to be accepted, with a cursor from before its run.
pub(super) struct Call {
    pub(super) reply: Asking,
    pub(super) cursor: Cursor,
}

impl Call {
    pub(super) fn accept(self, accepted: Accepted) {
        // A caller that went away needs no answer; its message is accepted all the same.
        let _ = self.reply.send(Ok(Following::new(accepted, self.cursor)));
    }

    pub(super) fn refuse(self, refused: Refused) {
        // As above.
        let _ = self.reply.send(Err(refused));
    }
}

/// One connection of one person.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub conn: ConnId,
    pub person: Person,
    pub role: crate::identity::Role,
    pub access: Access,
    /// Whether their questions are taken (`Principal::may_speak`).
    pub may_speak: bool,
    /// The request with which they came, for what is written down.
    pub asking: Arc<audit::Asking>,
}

impl Viewer {
    /// Somebody without a socket.
    fn at_rest(who: &Principal, access: Access) -> Viewer {
        Viewer {
            conn: 0,
            person: Person { id: who.user_id, name: who.name.clone() },
            role: who.role,
            access,
            may_speak: who.may_speak,
            asking: Arc::new(audit::asking()),
        }
    }
}

/// A cursor, and the frames to say first.
pub struct Attachment {
    pub(crate) first: Vec<Bytes>,
    pub(crate) cursor: Cursor,
}

/// A door to one session's task; cheap to clone. While one exists the session stays in memory.
#[derive(Clone)]
pub struct Handle {
    pub(super) id: Uuid,
    /// Bounded: when it is full, whoever asks waits.
    pub(super) mailbox: mpsc::Sender<Box<Request>>,
}

impl Handle {
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Arrives, or comes back after `(epoch, seq)`. `None`: the session has just ended.
    pub async fn attach(&self, viewer: Viewer, position: Option<(Uuid, u64)>) -> Option<Attachment> {
        self.ask_task(|reply| Request::Attach(viewer, position, reply)).await
    }

    /// Forward to now, for a reader that fell behind.
    pub(crate) async fn catch_up(&self, conn: ConnId) -> Option<Attachment> {
        self.ask_task(|reply| Request::Snapshot(conn, reply)).await
    }

    pub async fn detach(&self, conn: ConnId, why: Leaving) {
        // A session that has ended has nobody to detach from.
        let _ = self.mailbox.send(Box::new(Request::Detach(conn, why))).await;
    }

    /// The answer comes through the log, to this connection alone.
    pub async fn command(&self, viewer: &Viewer, command: Command) {
        let request = Request::Command(viewer.clone(), command, None);
        // A session that has ended closes the socket by itself.
        let _ = self.mailbox.send(Box::new(request)).await;
    }

    /// For REST: sends a message and follows its run. Resolves when the message is committed.
    pub async fn ask(&self, who: &Principal, access: Access, send: Send) -> Result<Following, Refused> {
        let viewer = Viewer::at_rest(who, access);
        self.ask_task(|reply| Request::Command(viewer, Command::Send(send), Some(reply)))
            .await
            .unwrap_or_else(|| Err(Refused::plain(ErrorCode::StorageUnavailable)))
    }

    /// For REST, by somebody who may watch: they come to the raised hand. `InvalidCommand`: none is up;
    /// `ControlHeld`: somebody else is coming.
    pub async fn claim(&self, who: &Principal) -> Result<HandUp, Refused> {
        let viewer = Viewer::at_rest(who, Access::Observer);
        self.ask_task(|reply| Request::Claim(viewer, reply))
            .await
            .unwrap_or_else(|| Err(Refused::plain(ErrorCode::StorageUnavailable)))
    }

    pub(super) async fn ask_task<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Box::new(request(reply))).await.ok()?;
        answer.await.ok()
    }
}

/// A cursor that sees the events of one run alone.
pub struct Following {
    accepted: Accepted,
    cursor: Cursor,
    ready: std::vec::IntoIter<Item>,
    over: bool,
}

impl Following {
    fn new(accepted: Accepted, cursor: Cursor) -> Following {
        let over = accepted.run.is_none();
        Following { accepted, cursor, ready: Vec::new().into_iter(), over }
    }

    /// `None` when the message is older than what is in memory: its run is long over.
    pub fn run_id(&self) -> Option<Uuid> {
        self.accepted.run
    }

    pub fn message_id(&self) -> Uuid {
        self.accepted.message
    }

    /// The next event of the run as JSON (`{"type":"RUN_STARTED",…}`), `None` after
    /// RUN_FINISHED or RUN_ERROR, or when the reader fell behind what the log keeps.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return None;
            }
            let Some(item) = self.ready.next() else {
                self.refill().await;
                continue;
            };
            let Some((run, event)) = item.event() else { continue };
            if Some(run) == self.accepted.run {
                self.over = ends_run(&event);
                return Some(event);
            }
        }
    }

    async fn refill(&mut self) {
        let mut items = Vec::new();
        if self.accepted.ended && self.cursor.has_caught_up() {
            self.over = true;
            return;
        }
        self.over = !self.cursor.ready().await || self.cursor.take(&mut items, 64 * 1024) == Err(Behind);
        self.ready = items.into_iter();
    }
}

fn ends_run(event: &[u8]) -> bool {
    event.starts_with(br#"{"type":"RUN_FINISHED""#) || event.starts_with(br#"{"type":"RUN_ERROR""#)
}
