//! The words of an uploaded document, beside it: for the model that is shown the file.

use futures_util::TryStreamExt as _;
use serde::Deserialize;
use serde_json::json;

use crate::convert::{ConvertError, Converter};
use crate::files::{IntakeError, StorageError};
use crate::id::Uuid;
use crate::store::Store;

use super::{Done, Fault, Job};

#[derive(Deserialize)]
struct Asked {
    file: Uuid,
}

/// The words are stored under a name that follows from the file's, so that done again it does the same; the row
/// names them once they are there.
pub(super) async fn run(job: Job) -> Result<Done, Fault> {
    let Ok(asked) = Asked::deserialize(&job.task.payload) else { return Err(Fault::lasting("bad_payload")) };
    let app = &job.app;
    let document = app.store.document(asked.file).await?.ok_or(Fault::lasting("gone"))?;
    if !Converter::reads(&document.media_type) {
        return Ok(Done::telling(json!({"skipped": "no_words"})));
    }
    let blob = app.files.get(&document.key, None).await?;
    let most = blob.size;
    let bytes = blob.bytes.map_err(|_| IntakeError::BrokenOff);
    let from = app.intake.receive(bytes, most).await.map_err(|_| Fault::passing("storage_unavailable"))?;
    job.progress.tell(1, 4);
    let into = app.intake.file();
    let words = app.converter.words(&document.media_type, from.path(), into.path()).await?;
    job.progress.tell(3, 4);
    let size = words.text.end - words.text.start;
    let text = into.read(words.text).await.map_err(|_| Fault::passing("internal"))?;
    let key = format!("{}.text", document.key);
    app.files.put(&key, text, size).await?;
    let told = json!({"file": asked.file, "pages": words.pages, "bytes": size, "cut": words.cut});
    let effect = Store::words_effect(asked.file, &document.key, &key, words.pages);
    Ok(Done::telling(told).and(effect))
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Fault {
        match error {
            StorageError::Missing => Fault::lasting("gone"),
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
