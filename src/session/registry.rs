//! All sessions in memory.
//!
//! `absent => awake => absent`. A session wakes when somebody opens it and leaves when nobody
//! holds a handle and nothing runs; both under its map entry's lock, so that no one gets a handle
//! to a task that is about to end.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{mpsc, watch};

use crate::config;
use crate::gemini::Model;
use crate::id::Uuid;
use crate::shutdown::Shutdown;
use crate::store::Store;

use super::handle::{Handle, Request};
use super::task;

/// Requests that may wait for a session's task; when they are more, whoever asks waits.
const MAILBOX: usize = 32;

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
    pub(super) model: Model,
    pub(super) settings: config::Session,
    pub(super) shutdown: Shutdown,
    /// Runs that are active now; the drain waits for none.
    pub(super) running: watch::Sender<usize>,
}

impl Registry {
    pub fn new(settings: config::Session, store: Store, model: Model, shutdown: Shutdown) -> Registry {
        let inner = Inner {
            sessions: DashMap::new(),
            removing: std::sync::Mutex::default(),
            store,
            model,
            settings,
            shutdown,
            running: watch::Sender::new(0),
        };
        Registry { inner: Arc::new(inner) }
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

    fn enter(&self, id: Uuid) -> Result<Handle, OpenError> {
        if self.inner.shutdown.is_draining() {
            return Err(OpenError::Draining);
        }
        let removing = self.inner.removing();
        if removing.contains_key(&id) {
            return Err(OpenError::NotFound);
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

    /// Ends a session that is being deleted: its run stops, its sockets close with 4404. It is not
    /// woken again while the returned guard lives.
    pub async fn remove(&self, id: Uuid) -> Removing {
        *self.inner.removing().entry(id).or_default() += 1;
        let guard = Removing { inner: Arc::clone(&self.inner), id };
        let mailbox = self.inner.sessions.get(&id).map(|entry| entry.value().clone());
        if let Some(mailbox) = mailbox {
            // A closed mailbox is a task that has ended already.
            let _ = mailbox.send(Box::new(Request::Remove)).await;
            mailbox.closed().await;
        }
        guard
    }

    /// Resolves when no run is active.
    pub async fn quiet(&self) {
        // The sender lives in `self`, so there is always a value to wait for.
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

/// Keeps a session from waking while its row is deleted.
pub struct Removing {
    inner: Arc<Inner>,
    id: Uuid,
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

impl Inner {
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
