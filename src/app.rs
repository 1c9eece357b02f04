//! The parts that the doors share, in one struct.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::auth::Auth;
use crate::config::Settings;
use crate::convert::Converter;
use crate::files::{Intake, Scanner, Storage, StorageError};
use crate::gemini::Model;
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
    /// Deletes the blobs that no row names any more, and says how many. What cannot be deleted stays written
    /// down.
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

/// Deletes blobs whenever some are gone: one task, however many deletions there are.
pub async fn sweep_gone(app: App, mut heard: mpsc::Receiver<()>) {
    while heard.recv().await.is_some() {
        if let Err(error) = app.delete_gone_blobs().await {
            tracing::warn!(%error, "deleted files are left to the sweep");
        }
    }
}

/// Has what was just deleted taken out of the storage, soon: whoever deleted something does not wait for that.
pub fn blobs_are_gone(app: &App) {
    let _ = app.gone.try_send(());
}
