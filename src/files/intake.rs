//! What is on its way in: files of a moment in the data directory, removed whatever happens, and how many
//! uploads there may be at once.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::io::ReaderStream;

use crate::id::{self, Uuid};

/// Uploads at once, of everybody and of one person; one more is `Busy`.
const AT_ONCE: usize = 32;
const OF_ONE: usize = 3;
/// Slower than this on the whole is as good as nothing.
const SLOWEST: u64 = 16 << 10;
const START: Duration = Duration::from_secs(60);
/// What is read at once.
const CHUNK: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    #[error("too many uploads at once")]
    Busy,
    #[error("the upload is too large")]
    TooLarge,
    #[error("the upload is too slow")]
    TooSlow,
    #[error("the upload broke off")]
    BrokenOff,
    /// This machine's disk.
    #[error("there is no room for the upload")]
    Full,
    #[error("the upload could not be written down")]
    Failed,
}

/// Takes uploads in; cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    idle: Duration,
    slots: Arc<Semaphore>,
    people: DashMap<Uuid, Arc<Semaphore>>,
}

/// The right to one upload.
pub struct Turn {
    who: Uuid,
    intake: Intake,
    own: Option<OwnedSemaphorePermit>,
    _slot: OwnedSemaphorePermit,
}

/// A file of a moment: gone with this.
pub struct Spooled {
    path: PathBuf,
    pub size: u64,
}

impl Intake {
    /// Makes the folder, only ours to read, and removes what a crash left in it.
    pub fn open(data_dir: &Path, idle: Duration) -> io::Result<Intake> {
        let dir = data_dir.join("uploads");
        std::fs::create_dir_all(&dir)?;
        std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(Intake(Arc::new(Inner {
            dir,
            idle,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            people: DashMap::new(),
        })))
    }

    pub fn turn(&self, who: Uuid) -> Result<Turn, IntakeError> {
        let slot = Arc::clone(&self.0.slots).try_acquire_owned().map_err(|_| IntakeError::Busy)?;
        let own = Arc::clone(&*self.0.people.entry(who).or_insert_with(|| Arc::new(Semaphore::new(OF_ONE))));
        let own = own.try_acquire_owned().map_err(|_| IntakeError::Busy)?;
        Ok(Turn { who, intake: self.clone(), own: Some(own), _slot: slot })
    }

    /// An empty file of a moment.
    pub fn file(&self) -> Spooled {
        Spooled { path: self.0.dir.join(id::new().to_string()), size: 0 }
    }

    /// Writes down what comes, at most so many bytes, while it comes at all.
    pub async fn receive(
        &self,
        bytes: impl Stream<Item = Result<Bytes, IntakeError>>,
        most: u64,
    ) -> Result<Spooled, IntakeError> {
        let mut spooled = self.file();
        let mut file = tokio::fs::File::create(&spooled.path).await.map_err(|error| unwritten(&error))?;
        let mut bytes = std::pin::pin!(bytes);
        let end = Instant::now() + longest(most);
        loop {
            let idle = self.0.idle.min(end.saturating_duration_since(Instant::now()));
            let next = timeout(idle, bytes.next()).await.map_err(|_| IntakeError::TooSlow)?;
            let Some(chunk) = next else { break };
            let chunk = chunk?;
            spooled.size += chunk.len() as u64;
            if spooled.size > most {
                return Err(IntakeError::TooLarge);
            }
            file.write_all(&chunk).await.map_err(|error| unwritten(&error))?;
        }
        file.flush().await.map_err(|error| unwritten(&error))?;
        Ok(spooled)
    }

    /// Removes what a crash left behind: nothing of an upload is so old.
    pub async fn sweep(&self, older: Duration) -> io::Result<u64> {
        let limit = SystemTime::now().checked_sub(older).unwrap_or(SystemTime::UNIX_EPOCH);
        let (mut dir, mut gone) = (tokio::fs::read_dir(&self.0.dir).await?, 0);
        while let Some(entry) = dir.next_entry().await? {
            let Ok(about) = entry.metadata().await else { continue };
            if about.is_file() && about.modified().is_ok_and(|at| at < limit) {
                gone += u64::from(tokio::fs::remove_file(entry.path()).await.is_ok());
            }
        }
        Ok(gone)
    }
}

/// As long as an upload of so many bytes may take.
pub fn longest(most: u64) -> Duration {
    START + Duration::from_secs(most / SLOWEST)
}

impl Spooled {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A part of it, piece by piece.
    pub async fn read(&self, range: Range<u64>) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
        let mut file = tokio::fs::File::open(&self.path).await?;
        file.seek(io::SeekFrom::Start(range.start)).await?;
        Ok(ReaderStream::with_capacity(file.take(range.end - range.start), CHUNK))
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.own.take();
        let people = &self.intake.0.people;
        people
            .remove_if(&self.who, |_, own| own.available_permits() == OF_ONE && Arc::strong_count(own) == 1);
    }
}

fn unwritten(error: &io::Error) -> IntakeError {
    tracing::error!(%error, "an upload cannot be written down");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => IntakeError::Full,
        _ => IntakeError::Failed,
    }
}
