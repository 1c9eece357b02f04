//! The files of one session or of one person, as the model's client reads them: rows from PostgreSQL, bytes from the storage.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::files::{Storage, StorageError};
use crate::gemini::{Attached, Attachments, Blob, NotRead, Remote, What};
use crate::id::Uuid;
use crate::store::{File, Store, StoreError};

/// A page of a PDF that nobody has counted yet.
const PAGE_BYTES: i64 = 64 << 10;

pub struct Shelf {
    pub whose: Whose,
    pub store: Store,
    pub storage: Storage,
}

/// Which files stand there.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// Of the student of this session.
    Session(Uuid),
    /// This person's own.
    Own(Uuid),
}

impl Shelf {
    async fn rows(&self, files: &[Uuid]) -> Result<Vec<File>, StoreError> {
        let owner = match self.whose {
            Whose::Session(session) => return self.store.files_for_prompt(session, files).await,
            Whose::Own(owner) => owner,
        };
        let mut rows = Vec::with_capacity(files.len());
        for file in files {
            rows.extend(self.store.file(owner, *file).await?.filter(|row| row.owner_id == Some(owner)));
        }
        Ok(rows)
    }
}

impl Attachments for Shelf {
    fn find(&self, files: Vec<Uuid>) -> BoxFuture<'_, Result<Vec<Attached>, NotRead>> {
        async move {
            let rows = self.rows(&files).await.map_err(|_| NotRead::Unavailable)?;
            let mut found: Vec<Attached> = rows.into_iter().map(attached).collect();
            // What the endpoint was given is worth knowing only of what it may be shown.
            let shown =
                found.iter().filter(|file| matches!(file.what, What::Image { .. } | What::Pdf { .. }));
            let shown: Vec<Uuid> = shown.map(|file| file.id).collect();
            let remotes = self.store.model_files(&shown).await.map_err(|_| NotRead::Unavailable)?;
            for (id, name, uri, expires_at) in remotes {
                if let Some(file) = found.iter_mut().find(|file| file.id == id) {
                    file.remote = Some(Remote { name, uri, expires_at });
                }
            }
            Ok(found)
        }
        .boxed()
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Blob, NotRead>> {
        async move {
            let blob = self.storage.get(key, None).await.map_err(not_read)?;
            Ok(Blob { size: blob.size, bytes: blob.bytes.map(|more| more.map_err(not_read)).boxed() })
        }
        .boxed()
    }

    fn remember(&self, file: Uuid, remote: Remote) -> BoxFuture<'_, ()> {
        async move {
            let Remote { name, uri, expires_at } = &remote;
            if let Err(error) = self.store.remember_model_file(file, name, uri, *expires_at).await {
                tracing::debug!(%file, %error, "where a file lies at the model's endpoint was not noted");
            }
        }
        .boxed()
    }
}

fn not_read(error: StorageError) -> NotRead {
    match error {
        StorageError::Missing => NotRead::Missing,
        _ => NotRead::Unavailable,
    }
}

fn attached(file: File) -> Attached {
    let edge = |edge: Option<i32>| edge.and_then(|edge| u32::try_from(edge).ok()).unwrap_or(1);
    let what = match (file.media_type.as_str(), &file.text_key) {
        (kind, _) if kind.starts_with("image/") => {
            What::Image { width: edge(file.width), height: edge(file.height) }
        }
        ("application/pdf", _) => {
            let guessed = || u32::try_from(file.size / PAGE_BYTES + 1).unwrap_or(u32::MAX);
            What::Pdf {
                pages: file.pages.and_then(|pages| u32::try_from(pages).ok()).unwrap_or_else(guessed),
            }
        }
        (kind, text) if text.is_some() || kind.starts_with("text/") => What::Words,
        _ => What::Untold,
    };
    let key = match (what, file.text_key) {
        (What::Words, Some(words)) => words,
        _ => file.key,
    };
    let size = u64::try_from(file.size).unwrap_or_default();
    Attached { id: file.id, name: file.name, media_type: file.media_type, size, what, key, remote: None }
}
