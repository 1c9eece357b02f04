//! What a crash leaves of an upload into the folder: a file beside the blob's place, which no list tells of.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Removes those from before; gives how many went.
pub(super) fn remove(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut gone = 0;
    for owner in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&owner)? {
            // So they are called by `object_store`, and no key of ours is.
            let unfinished = path.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'#'));
            let from = path.metadata().and_then(|about| about.modified());
            if unfinished && from.is_ok_and(|at| at < before) {
                gone += u64::from(std::fs::remove_file(&path).is_ok());
            }
        }
    }
    Ok(gone)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
}
