//! The parts that the doors share, in one struct.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::auth::Auth;
use crate::config::Settings;
use crate::convert::Converter;
use crate::files::{Intake, Scanner, Storage, StorageError};
use crate::gemini::Model;
use crate::identity::Principal;
use crate::session::Registry;
use crate::shutdown::Shutdown;
use crate::store::{Audit, Store, StoreError};

/// The state of every handler; cheap to clone.
pub type App = Arc<Parts>;

pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub audit: Audit,
    /// Where uploaded files lie.
    pub files: Storage,
    /// What is on its way there.
    pub intake: Intake,
    pub converter: Converter,
    /// `None`: nobody looks for malware.
    pub scanner: Option<Scanner>,
    pub model: Model,
    /// Whether the model is the built-in practice model.
    pub practice: bool,
    pub sessions: Registry,
    pub auth: Auth,
    pub shutdown: Shutdown,
    /// Open sockets; the stop waits for none.
    pub sockets: tokio::sync::watch::Sender<usize>,
    /// Tells that blobs were written down as gone.
    pub gone: mpsc::Sender<()>,
}

/// Keys of one look at the database.
const KEYS: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum BlobsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Parts {
    /// The storage as this person may use it: with their own token where it takes those and one is known that
    /// works, else with the server's right. What they may see our own tables have said before.
    pub fn files_of(&self, who: &Principal) -> Result<Storage, StorageError> {
        match self.auth.shown_token(who) {
            Some(token) => self.files.with_token(&token),
            None => Ok(self.files.clone()),
        }
    }

    /// Deletes the blobs that no row names any more, and says how many. What cannot be deleted stays written
    /// down. With the server's own right whoever gave them up: a storage with rules of its own says "deleted" of
    /// what those hide.
    pub async fn delete_gone_blobs(&self) -> Result<usize, BlobsError> {
        let mut count = 0;
        loop {
            let keys = self.store.gone_blobs(KEYS).await?;
            if keys.is_empty() {
                return Ok(count);
            }
            for key in &keys {
                self.files.delete(key).await?;
            }
            count += keys.len();
            self.store.forget_gone_blobs(&keys).await?;
        }
    }
}

/// Deletions whose blobs nobody has looked at yet. One more says nothing new: each look takes all that are gone.
pub const GONE: usize = 16;

/// Deletes blobs whenever somebody had some go: one task, however many deletions there are.
pub async fn sweep_gone(app: App, mut heard: mpsc::Receiver<()>) {
    while heard.recv().await.is_some() {
        if let Err(error) = app.delete_gone_blobs().await {
            tracing::warn!(%error, "deleted files are left to the sweep");
        }
    }
}

/// As `delete_gone_blobs`, soon: whoever deleted something does not wait for the storage.
pub fn blobs_are_gone(app: &App) {
    let _ = app.gone.try_send(());
}
