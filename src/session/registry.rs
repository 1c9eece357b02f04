//! All sessions in memory.
//!
//! `absent => awake => absent`. A session wakes when somebody opens it and leaves when nobody
//! holds a handle and nothing runs; both under its map entry's lock, so that no one gets a handle
//! to a task that is about to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Timestamp;
use crate::config;
use crate::files::Storage;
use crate::gemini::Model;
use crate::id::Uuid;
use crate::protocol::Person;
use crate::shutdown::{Phase, Shutdown};
use crate::store::{Store, StoreError};

use super::board::Board;
use super::handle::{Handle, Hold, Names, Request};
use super::task;

/// Requests that may wait for a session's task; when they are more, whoever asks waits.
const MAILBOX: usize = 32;
/// Between two attempts to wake a session that waits for its answer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    #[error("no such session")]
    NotFound,
    #[error("the database is not available")]
    Unavailable,
    #[error("the server is restarting")]
    Draining,
}

/// All sessions in memory; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    sessions: DashMap<Uuid, mpsc::Sender<Box<Request>>>,
    /// Sessions that are being deleted: they are not woken.
    removing: std::sync::Mutex<HashMap<Uuid, usize>>,
    pub(super) store: Store,
    /// Of what students send with their questions.
    pub(super) files: Storage,
    pub(super) model: Model,
    pub(super) settings: config::Session,
    pub(super) shutdown: Shutdown,
    pub(super) board: Arc<Board>,
    /// Runs that are active now, and commands that are being noted; the drain waits for none.
    pub(super) running: watch::Sender<usize>,
}

impl Registry {
    pub fn new(
        settings: config::Session,
        store: Store,
        files: Storage,
        model: Model,
        shutdown: Shutdown,
    ) -> Registry {
        let inner = Inner {
            sessions: DashMap::new(),
            removing: std::sync::Mutex::default(),
            store,
            files,
            model,
            settings,
            shutdown,
            board: Arc::default(),
            running: watch::Sender::new(0),
        };
        Registry { inner: Arc::new(inner) }
    }

    /// What the sessions in memory show to rosters.
    pub fn board(&self) -> &Arc<Board> {
        &self.inner.board
    }

    /// How many sessions are in memory.
    pub fn len(&self) -> usize {
        self.inner.sessions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.inner.sessions.is_empty()
    }

    /// The session's handle; wakes it from PostgreSQL when it is not in memory.
    pub async fn open(&self, id: Uuid) -> Result<Handle, OpenError> {
        let handle = self.enter(id)?;
        // A task that ended in between had found nothing to wake.
        handle.ask_task(Request::Hello).await.unwrap_or(Err(OpenError::Unavailable))?;
        Ok(handle)
    }

    /// Wakes sessions that nobody asks for, however long PostgreSQL is away. In rounds, so that one which cannot
    /// be woken keeps no other waiting; until the drain.
    pub async fn wake(&self, mut ids: Vec<Uuid>) {
        let mut shutdown = self.inner.shutdown.clone();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let mut asleep = Vec::new();
            for id in ids {
                if let Err(OpenError::Unavailable) = self.open(id).await {
                    asleep.push(id);
                }
            }
            let Some(session) = asleep.first() else { return };
            tracing::warn!(%session, sessions = asleep.len(), "waiting sessions could not be woken; tried again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = shutdown.reached(Phase::Draining) => return,
            }
            ids = asleep;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn enter(&self, id: Uuid) -> Result<Handle, OpenError> {
        if self.inner.shutdown.is_draining() {
            return Err(OpenError::Draining);
        }
        let removing = self.inner.removing();
        if removing.contains_key(&id) {
            // Soon it is known whether it is still there.
            return Err(OpenError::Unavailable);
        }
        let wake = || {
            let (mailbox, requests) = mpsc::channel(MAILBOX);
            tokio::spawn(task::run(Arc::clone(&self.inner), id, requests));
            mailbox
        };
        let mailbox = match self.inner.sessions.entry(id) {
            Entry::Occupied(mut entry) => {
                // Its task has ended and is about to leave.
                if entry.get().is_closed() {
                    entry.insert(wake());
                }
                entry.get().clone()
            }
            Entry::Vacant(entry) => entry.insert(wake()).clone(),
        };
        Ok(Handle { id, mailbox })
    }

    /// Deletes a session with its messages: its run stops, its sockets close with 4404. When PostgreSQL
    /// cannot take that, nothing has happened. `who`: its student; `org`: whose rosters show it.
    pub async fn delete(&self, who: Uuid, org: Uuid, id: Uuid) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.inner);
        // In a task of its own: whoever asked may hang up in the middle of it.
        let deletion = tokio::spawn(async move {
            let _removing = Removing::new(&inner, id);
            // First the task, so that nothing is written for a session whose row is gone.
            let held = inner.hold(id).await;
            inner.store.delete_session(who, id).await?;
            if let Some(held) = held {
                held.end().await;
            }
            inner.board.row_changed(id, org);
            Ok(())
        });
        deletion.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// As `delete`, of many at once and with whatever else `deletion` does; it says whether they are gone.
    /// They hold still meanwhile. `org`: whose rosters may show them; without one they are too old for that.
    pub async fn delete_with<T: Send + 'static>(
        &self,
        mut ids: Vec<Uuid>,
        org: Option<Uuid>,
        deletion: impl Future<Output = Result<(T, bool), StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        // Each once, and always in one order: of two that hold several of the same, one would else wait for
        // the other for ever.
        ids.sort_unstable();
        ids.dedup();
        let all = tokio::spawn(async move {
            let _removing: Vec<Removing> = ids.iter().map(|id| Removing::new(&inner, *id)).collect();
            let mut held = Vec::new();
            for id in &ids {
                held.extend(inner.hold(*id).await);
            }
            let (done, gone) = deletion.await?;
            for held in held.into_iter().filter(|_| gone) {
                held.end().await;
            }
            if let Some(org) = org.filter(|_| gone) {
                ids.iter().for_each(|id| inner.board.row_changed(*id, org));
            }
            Ok(done)
        });
        all.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Tells a session, and the rosters that show it, what its student calls it now.
    pub async fn named(&self, id: Uuid, org: Uuid, names: Names) {
        // One that is not in memory is shown by its row: whoever shows it looks there again.
        if !self.tell(id, Request::Named(names)).await {
            self.inner.board.row_changed(id, org);
        }
    }

    /// Tells a session that somebody has seen to what was signalled for safety until then; the mark is kept.
    pub async fn dealt_with(&self, id: Uuid, by: Person, at: Timestamp) {
        // One that is not in memory reads the mark when it wakes.
        self.tell(id, Request::DealtWith(by, at)).await;
    }

    /// Whether it is in memory.
    async fn tell(&self, id: Uuid, request: Request) -> bool {
        let mut request = Box::new(request);
        loop {
            let mailbox = self.inner.sessions.get(&id).map(|entry| entry.value().clone());
            let Some(mailbox) = mailbox else { return false };
            match mailbox.send(request).await {
                Ok(()) => return true,
                // It was about to leave. One that has come after it is told.
                Err(back) => request = back.0,
            }
            self.inner.leave(id);
        }
    }

    /// Tells the sessions of an organisation whether their students see who watches.
    pub async fn show_watchers(&self, org: Uuid, show: bool) {
        // One that has left memory asks when it wakes.
        self.tell_all(|| Request::ShowWatchers { org, show }).await;
    }

    /// Nothing of a student's goes to the model any more, of what was accepted before neither: what runs stops,
    /// and what waits ends as stopped.
    pub async fn hush(&self, student: Uuid) {
        // One that has left memory has nothing that runs or waits.
        self.tell_all(|| Request::Hush(student)).await;
    }

    async fn tell_all(&self, request: impl Fn() -> Request) {
        let mailboxes: Vec<_> = self.inner.sessions.iter().map(|entry| entry.value().clone()).collect();
        for mailbox in mailboxes {
            // It may be about to leave.
            let _ = mailbox.send(Box::new(request())).await;
        }
    }

    /// Resolves when no run is active.
    pub async fn quiet(&self) {
        // The sender lives in `self`, so there is always a value to wait for.
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Keeps a session from waking while its row is deleted.
struct Removing {
    inner: Arc<Inner>,
    id: Uuid,
}

impl Removing {
    fn new(inner: &Arc<Inner>, id: Uuid) -> Removing {
        *inner.removing().entry(id).or_default() += 1;
        Removing { inner: Arc::clone(inner), id }
    }
}

impl Drop for Removing {
    fn drop(&mut self) {
        let mut removing = self.inner.removing();
        if let Some(count) = removing.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                removing.remove(&self.id);
            }
        }
    }
}

/// A session's task that holds still. Dropped, it goes on.
struct Held {
    gone: oneshot::Sender<()>,
    mailbox: mpsc::Sender<Box<Request>>,
}

impl Held {
    async fn end(self) {
        // A task that has ended meanwhile is what is wanted.
        let _ = self.gone.send(());
        self.mailbox.closed().await;
    }
}

impl Inner {
    /// `None`: it is not in memory.
    async fn hold(&self, id: Uuid) -> Option<Held> {
        let mailbox = self.sessions.get(&id).map(|entry| entry.value().clone())?;
        let ((still, is_still), (gone, is_gone)) = (oneshot::channel(), oneshot::channel());
        let hold = Request::Hold(Hold { still, gone: is_gone });
        if mailbox.send(Box::new(hold)).await.is_ok() && is_still.await.is_ok() {
            return Some(Held { gone, mailbox });
        }
        // It was about to leave.
        mailbox.closed().await;
        None
    }

    fn removing(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, usize>> {
        self.removing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the session out of the map if nobody but the map can reach its task.
    pub(super) fn leave_if_unused(&self, id: Uuid) -> bool {
        self.sessions.remove_if(&id, |_, mailbox| mailbox.strong_count() == 1).is_some()
    }

    /// Takes a task's entry out of the map, after its mailbox was closed. An open mailbox is that of
    /// the task which came after it: taken out, the session would get a second one beside it.
    pub(super) fn leave(&self, id: Uuid) {
        self.sessions.remove_if(&id, |_, mailbox| mailbox.is_closed());
    }
}
