//! The words of an uploaded document, beside it: for the model that is shown the file.

use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::json;

use crate::convert::{ConvertError, Converter, Words};
use crate::files::{IntakeError, Spooled, StorageError};
use crate::id::Uuid;
use crate::store::{Document, Store};

use super::{Done, Fault, Job};

#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) file: Uuid,
}

impl Job {
    /// The file that it is about.
    pub(super) async fn document(&self) -> Result<(Uuid, Document), Fault> {
        let Ok(asked) = Asked::deserialize(&self.task.payload) else {
            return Err(Fault::lasting("bad_payload"));
        };
        let document = self.app.store.document(asked.file).await?.ok_or(Fault::lasting("gone"))?;
        Ok((asked.file, document))
    }

    /// At most so many bytes of a file, on this machine for a moment; and how many it has.
    pub(super) async fn fetch(
        &self,
        document: &Document,
        most: Option<u64>,
    ) -> Result<(Spooled, u64), Fault> {
        let app = &self.app;
        let blob = app.files.get(&document.key, most.map(|most| 0..most)).await?;
        let size = blob.range.end - blob.range.start;
        let bytes = blob.bytes.map_err(|_| IntakeError::BrokenOff);
        let here = app.intake.receive(bytes, size).await;
        Ok((here.map_err(|_| Fault::passing("storage_unavailable"))?, blob.size))
    }

    /// What the converter reads of it, page by page.
    pub(super) async fn words(&self, document: &Document) -> Result<(Spooled, Words), Fault> {
        let (from, _) = self.fetch(document, None).await?;
        let into = self.app.intake.file();
        let tell = |done, of| self.progress.tell(done, of);
        let words = self.app.converter.words(&document.media_type, from.path(), into.path(), &tell).await?;
        Ok((into, words))
    }
}

/// Each attempt stores the words under a name of its own, so that two holders never write one blob; the row names
/// those of the attempt that ended well, the sweep finds the others.
pub(super) async fn run(job: Job) -> Result<Done, Fault> {
    let (file, document) = job.document().await?;
    if !Converter::reads(&document.media_type) {
        return Ok(Done::telling(json!({"skipped": "no_words"})));
    }
    let (into, words) = job.words(&document).await?;
    let size = words.text.end - words.text.start;
    let text = into.read(words.text).await.map_err(|_| Fault::passing("internal"))?;
    let key = format!("{}.text-{}", document.key, job.task.held.lease);
    job.app.files.put(&key, text, size).await?;
    let told = json!({"file": file, "pages": words.pages, "bytes": size, "cut": words.cut});
    let effect = Store::words_effect(file, &document.key, &key, words.pages);
    Ok(Done::telling(told).and(effect))
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Fault {
        match error {
            StorageError::Missing => {
                tracing::error!("the storage has no blob for a file whose row says that it is there");
                Fault::lasting("gone")
            }
            StorageError::TooLarge => Fault::lasting("too_large"),
            _ => Fault::passing("storage_unavailable"),
        }
    }
}

impl From<ConvertError> for Fault {
    fn from(error: ConvertError) -> Fault {
        match error {
            ConvertError::Busy | ConvertError::Failed => Fault::passing("busy"),
            ConvertError::TooLarge => Fault::lasting("too_large"),
            ConvertError::Broken => Fault::lasting("unreadable"),
        }
    }
}
