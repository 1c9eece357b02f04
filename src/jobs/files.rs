//! What is left of files: uploads that never arrived, blobs that no row names, what was deleted while the
//! storage was away.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::SignedDuration;
use metrics::{counter, gauge};
use serde_json::json;

use crate::app::{App, BlobsError};
use crate::clock::{self, Timestamp};
use crate::files::longest;

use super::{Done, Fault, Job};

/// So long at least what may still arrive is left alone …
const YOUNG: Duration = Duration::from_secs(3600);
/// … and for as long as the slowest upload and what is done with it when it is there: looked at, converted, stored.
const AFTERWARDS: Duration = Duration::from_secs(1800);
/// Keys of one look at the database.
const KEYS: usize = 500;
/// Blobs without a row that one sweep deletes at most.
const MOST: usize = 10_000;
/// With so many of them, and more than those that have a row, the storage is somebody else's, or the database
/// is: then nothing is deleted. Nor is anything where no blob has a row.
const SUSPICIOUS: usize = 100;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows of uploads that never arrived.
    pub arriving: u64,
    /// Rows of students' files that were never sent and are too old.
    pub unsent: u64,
    /// Blobs that a row had named.
    pub gone: usize,
    /// Blobs that no row ever named.
    pub orphans: usize,
}

pub(super) async fn run(job: Job) -> Result<Done, Fault> {
    match sweep_files(&job.app).await {
        Ok(swept) => Ok(Done::telling(json!({
            "arriving": swept.arriving, "unsent": swept.unsent, "gone": swept.gone, "orphans": swept.orphans,
        }))),
        Err(BlobsError::Store(error)) => Err(error.into()),
        Err(BlobsError::Storage(error)) => {
            tracing::warn!(%error, "files could not be swept; tried again");
            Err(Fault::passing("storage_unavailable"))
        }
    }
}

/// Looks for what is left, and deletes it.
pub async fn sweep_files(app: &App) -> Result<Swept, BlobsError> {
    sweep_older(app, old(app.settings.files.file_bytes)).await
}

/// No upload takes so long, and no blob is so long without its row.
fn old(largest: u64) -> Duration {
    YOUNG.max(longest(largest) + AFTERWARDS)
}

/// As `sweep_files`, of what is older than this.
pub async fn sweep_older(app: &App, age: Duration) -> Result<Swept, BlobsError> {
    let limit = ago(age);
    let kept = app.settings.retention.sessions_days.map(super::before);
    let mut swept = Swept {
        arriving: app.store.sweep_arriving(limit).await?,
        unsent: app.store.sweep_unsent(kept).await?,
        ..Swept::default()
    };
    if let Err(error) = app.intake.sweep(age).await {
        tracing::warn!(%error, "the folder of uploads could not be swept");
    }
    match app.files.sweep_unfinished(age).await {
        Ok(0) => {}
        Ok(unfinished) => tracing::info!(unfinished, "what a crash left of uploads was removed"),
        Err(error) => tracing::warn!(%error, "the folder of files could not be swept"),
    }
    swept.gone = app.delete_gone_blobs().await?;
    swept.orphans = delete_orphans(app, limit).await?;
    for (what, count) in [
        ("arriving", swept.arriving),
        ("unsent", swept.unsent),
        ("gone", swept.gone as u64),
        ("orphans", swept.orphans as u64),
    ] {
        counter!("fynq_files_swept_total", "what" => what).increment(count);
    }
    if swept != Swept::default() {
        tracing::info!(?swept, "files were swept");
    }
    Ok(swept)
}

async fn delete_orphans(app: &App, limit: Timestamp) -> Result<usize, BlobsError> {
    let (mut known, mut unknown, mut orphans) = (0, 0, Vec::new());
    let mut blobs = std::pin::pin!(app.files.list().ready_chunks(KEYS));
    while let Some(chunk) = blobs.next().await {
        let mut keys = Vec::with_capacity(chunk.len());
        for blob in chunk {
            let (key, at) = blob?;
            if at < limit {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            continue;
        }
        let strays = app.store.unknown_blobs(&keys).await?;
        known += keys.len() - strays.len();
        unknown += strays.len();
        if orphans.len() < MOST {
            orphans.extend(strays);
        }
    }
    gauge!("fynq_files_orphans").set(unknown as f64);
    if unknown > known && (known == 0 || unknown > SUSPICIOUS) {
        tracing::error!(
            unknown,
            known,
            place = app.files.place(),
            "most blobs belong to no row: is this the storage of this database? Nothing was deleted"
        );
        return Ok(0);
    }
    let mut deleted = 0;
    for keys in orphans.chunks(KEYS) {
        // Asked again: a row may name it by now.
        for key in app.store.unknown_blobs(keys).await? {
            app.files.delete(&key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

fn ago(age: Duration) -> Timestamp {
    let age = SignedDuration::try_from(age).unwrap_or_default();
    clock::now().saturating_sub(age).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_arrive_is_not_old() {
        assert_eq!(old(25 << 20), YOUNG);
        for largest in [25 << 20, 55 << 20, 1 << 30, 5 << 30] {
            assert!(old(largest) > longest(largest), "{largest}");
        }
        assert!(old(1 << 30) > Duration::from_secs(18 * 3600));
    }
}
