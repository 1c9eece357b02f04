//! The pages of a document that is attached to content: what a search finds of it.

use std::ops::Range;
use std::path::Path;

use serde_json::json;

use crate::convert::{Converter, Paged};
use crate::store::{Held, PagesRead, Store, StoreError};

use super::{Done, Fault, Job};

/// What is written at once: so many pages, and about so many bytes of them.
const PAGES: usize = 100;
const BYTES: usize = 256 << 10;
/// Of a plain text; what is beyond is left out, and said to be.
const TEXT: u64 = 7 << 20;

/// Pages are written in pieces, each only while the task is held, and the same again by whoever holds it next; they
/// are found from the transaction on that ends the task.
pub(super) async fn run(job: Job) -> Result<Done, Fault> {
    let (file, document) = job.document().await?;
    let (paged, pages) = if Converter::reads(&document.media_type) {
        let (into, words) = job.words(&document).await?;
        let text = text(into.path(), words.text).await?;
        (Paged::of(&text, words.pages.is_some(), words.cut), words.pages)
    } else if !document.media_type.starts_with("text/") {
        return Err(Fault::lasting("unreadable"));
    } else {
        let (from, whole) = job.fetch(&document, Some(TEXT)).await?;
        let text = text(from.path(), 0..from.size).await?;
        (Paged::of(&text, false, whole > from.size), None)
    };
    write_pages(&job.app.store, job.task.held, &paged).await?;
    let read =
        PagesRead { file, task: job.task.held.id, pages, read_pages: paged.pages.len(), cut: paged.cut };
    let told = json!({"file": file, "pages": read.read_pages, "cut": read.cut});
    Ok(Done::telling(told).and(Store::pages_effect(read)))
}

/// All pages of the file that a held task reads.
pub async fn write_pages(store: &Store, held: Held, paged: &Paged) -> Result<(), StoreError> {
    let mut written = 0;
    while written < paged.pages.len() {
        let (mut bytes, mut some) = (0, Vec::with_capacity(PAGES));
        for page in &paged.pages[written..] {
            bytes += page.len();
            some.push(page.as_str());
            if some.len() == PAGES || bytes >= BYTES {
                break;
            }
        }
        let first = i32::try_from(written + 1).unwrap_or(i32::MAX);
        store.write_pages(held, first, &some).await?;
        written += some.len();
    }
    Ok(())
}

/// A part of a file of a moment, as text.
async fn text(path: &Path, part: Range<u64>) -> Result<String, Fault> {
    let bytes = tokio::fs::read(path).await.map_err(|_| Fault::passing("internal"))?;
    let end = usize::try_from(part.end).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(part.start).unwrap_or(usize::MAX).min(end);
    Ok(String::from_utf8_lossy(&bytes[start..end]).into_owned())
}
