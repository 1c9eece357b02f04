//! Blobs: where uploaded files lie, a folder or a bucket, and what is looked at before one is kept.
//!
//! Keys are random and never leave the server. Every step has a time limit, and what goes wrong is one of a few
//! errors that a door can answer with.

mod intake;
pub mod kind;
mod leftovers;
pub mod name;
mod said;
mod scan;
mod views;

use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore,
    ObjectStoreExt as _, PutPayload, RetryConfig,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::runtime::Handle;
use tokio_util::io::ReaderStream;

use crate::config::{self, Bucket};

pub use intake::{Intake, IntakeError, Spooled, Turn, longest};
use said::{is_full, shortened};
pub use scan::{ScanError, Scanner};
use views::Views;

/// A part of an upload to a bucket: the least that every S3 endpoint takes.
const BUCKET_PART: usize = 5 << 20;
const FOLDER_PART: usize = 1 << 20;
/// What is read of a blob at once.
const CHUNK: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Away, too slow, or it answers in no known way; trying again may help.
    #[error("the storage is not available")]
    Unavailable,
    #[error("there is no such blob")]
    Missing,
    #[error("the storage is full")]
    Full,
    /// More came than was allowed.
    #[error("the blob is too large")]
    TooLarge,
    /// The storage does not let us: its keys or its rights are wrong.
    #[error("the storage refused")]
    Refused,
    /// It does not let this person, whose own token was shown to it.
    #[error("the storage refused somebody's own token")]
    Denied,
    /// What was to be stored broke off.
    #[error("the source broke off")]
    BrokenOff,
}

/// Where blobs lie; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    access: Access,
    part: usize,
    patience: Duration,
    /// `None`: a bucket.
    folder: Option<PathBuf>,
    /// For people: never with a key.
    place: Arc<str>,
}

/// With whose right the storage is asked.
#[derive(Clone)]
enum Access {
    /// The server's own, and nobody else has any.
    Ours,
    /// The server's own; people may come with theirs.
    OursOrTheirs(Arc<Views>),
    /// One person's.
    Theirs,
}

/// A blob, or a part of it, as it comes.
pub struct Blob {
    /// Of the whole.
    pub size: u64,
    pub range: Range<u64>,
    pub bytes: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl Storage {
    /// The folder is made; of a bucket nothing is asked yet.
    pub fn open(settings: &config::Files, data_dir: &FilePath) -> anyhow::Result<Storage> {
        let patience = settings.storage_timeout;
        Ok(match &settings.bucket {
            Some(bucket) => {
                let place = format!("s3://{}/{}", bucket.name, bucket.prefix).into();
                let (store, access) = open_bucket(bucket).context("FYNQ_STORAGE_URL: cannot be used")?;
                Storage { store, access, part: BUCKET_PART, patience, folder: None, place }
            }
            None => {
                let folder = data_dir.join("files");
                let shown = folder.display();
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("FYNQ_DATA_DIR: {shown} cannot be made"))?;
                let store = LocalFileSystem::new_with_prefix(&folder)
                    .with_context(|| format!("FYNQ_DATA_DIR: {shown} cannot be used"))?;
                let place = shown.to_string().into();
                // What a row says is there outlives a power cut.
                let store = Arc::new(store.with_fsync(true));
                let folder = Some(folder);
                Storage { store, access: Access::Ours, part: FOLDER_PART, patience, folder, place }
            }
        })
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    /// The same storage, asked with this person's own token where it takes those.
    pub fn with_token(&self, token: &SecretString) -> Result<Storage, StorageError> {
        let Access::OursOrTheirs(views) = &self.access else { return Ok(self.clone()) };
        let store = views.of(token).map_err(|error| self.told("view", &error))?;
        Ok(Storage { store, access: Access::Theirs, ..self.clone() })
    }

    /// Stores what comes, a part at a time, and gives its size. After an error nothing is there.
    pub async fn put(
        &self,
        key: &str,
        bytes: impl Stream<Item = io::Result<Bytes>>,
        most: u64,
    ) -> Result<u64, StorageError> {
        let path = path(key)?;
        let mut parts = std::pin::pin!(parts(bytes, self.part, most));
        let first = parts.next().await.transpose()?.unwrap_or_default();
        let mut size = first.len() as u64;
        if first.len() < self.part {
            self.step("put", self.store.put(&path, PutPayload::from_bytes(first))).await?;
            return Ok(size);
        }
        let upload = self.step("put", self.store.put_multipart(&path)).await?;
        let mut upload = Unfinished { upload: Some(upload), storage: self.clone() };
        let all = async {
            let upload = upload.get()?;
            self.step("put", upload.put_part(first.into())).await?;
            while let Some(part) = parts.next().await.transpose()? {
                size += part.len() as u64;
                self.step("put", upload.put_part(part.into())).await?;
            }
            self.step("put", upload.complete()).await
        };
        let done = all.await;
        let ended = upload.upload.take();
        if let (Err(_), Some(mut upload)) = (&done, ended) {
            // While its row is there: a storage with rules of its own asks for that.
            let _ = self.step("abort", upload.abort()).await;
        }
        done.map(|_| size)
    }

    /// A blob, or as much of `range` as there is.
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Blob, StorageError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = self.step("get", self.store.get_opts(&path(key)?, options)).await?;
        let (size, range) = (got.meta.size, got.range.clone());
        let bytes = match got.payload {
            GetResultPayload::File(file, _) => {
                let mut file = tokio::fs::File::from_std(file);
                let seek = file.seek(io::SeekFrom::Start(range.start)).await;
                seek.map_err(|_| StorageError::Unavailable)?;
                let bytes = ReaderStream::with_capacity(file.take(range.end - range.start), CHUNK);
                bytes.map(|chunk| chunk.map_err(|_| StorageError::Unavailable)).boxed()
            }
            GetResultPayload::Stream(bytes) => {
                let storage = self.clone();
                let bytes = bytes.map(move |chunk| chunk.map_err(|error| storage.told("get", &error)));
                patient(bytes, self.patience).boxed()
            }
        };
        Ok(Blob { size, range, bytes })
    }

    /// A whole blob that is no larger than `most`.
    pub async fn get_all(&self, key: &str, most: u64) -> Result<Bytes, StorageError> {
        let mut blob = self.get(key, None).await?;
        if blob.size > most {
            return Err(StorageError::TooLarge);
        }
        let mut all = BytesMut::with_capacity(usize::try_from(blob.size).unwrap_or_default());
        while let Some(chunk) = blob.bytes.next().await {
            all.extend_from_slice(&chunk?);
        }
        if all.len() as u64 == blob.size { Ok(all.freeze()) } else { Err(StorageError::Unavailable) }
    }

    /// What is not there is gone as well.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match self.step("delete", self.store.delete(&path(key)?)).await {
            Err(StorageError::Missing) => Ok(()),
            done => done,
        }
    }

    /// Every blob with its time, in no order.
    pub fn list(&self) -> impl Stream<Item = Result<(String, Timestamp), StorageError>> + use<> {
        let storage = self.clone();
        let blobs = self.store.list(None).map(move |blob| {
            let blob = blob.map_err(|error| storage.told("list", &error))?;
            let at = Timestamp::from_second(blob.last_modified.timestamp()).unwrap_or(Timestamp::MAX);
            Ok((String::from(blob.location), at))
        });
        patient(blobs, self.patience)
    }

    /// Removes what a crash left of uploads and no list tells of; gives how many went. Of a bucket nothing: what
    /// lies there so, only the bucket's own rules can take away.
    pub async fn sweep_unfinished(&self, older: Duration) -> io::Result<u64> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let before = SystemTime::now().checked_sub(older).unwrap_or(SystemTime::UNIX_EPOCH);
        tokio::task::spawn_blocking(move || leftovers::remove(&folder, before)).await?
    }

    /// Whether it answers.
    pub async fn check(&self) -> Result<(), StorageError> {
        let mut blobs = std::pin::pin!(self.list());
        blobs.next().await.transpose().map(drop)
    }

    async fn step<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StorageError> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(done) => done.map_err(|error| self.told(what, &error)),
            Err(_) => {
                tracing::warn!(what, "the storage takes too long");
                Err(StorageError::Unavailable)
            }
        }
    }

    /// What an error means to us. The log has what the storage said, without what nobody should read there.
    fn told(&self, what: &'static str, error: &object_store::Error) -> StorageError {
        use object_store::Error;
        let meant = match error {
            Error::NotFound { .. } => return StorageError::Missing,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => match self.access {
                Access::Theirs => StorageError::Denied,
                Access::Ours | Access::OursOrTheirs(_) => StorageError::Refused,
            },
            other if is_full(other) => StorageError::Full,
            _ => StorageError::Unavailable,
        };
        tracing::warn!(what, error = shortened(&error.to_string()), "the storage failed");
        meant
    }
}

/// An upload in parts, which is called off unless it was finished: also when nobody waits for it any more. What a
/// crash leaves of one in a bucket, only the bucket's own rules can take away.
struct Unfinished {
    upload: Option<Box<dyn MultipartUpload>>,
    storage: Storage,
}

impl Unfinished {
    fn get(&mut self) -> Result<&mut Box<dyn MultipartUpload>, StorageError> {
        self.upload.as_mut().ok_or(StorageError::Unavailable)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) else { return };
        let storage = self.storage.clone();
        runtime.spawn(async move {
            let _ = storage.step("abort", upload.abort()).await;
        });
    }
}

fn open_bucket(bucket: &Bucket) -> anyhow::Result<(Arc<dyn ObjectStore>, Access)> {
    let http = bucket.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A download lasts as long as its reader; each step has its own limit instead.
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(http);
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
        max_retries: 2,
        retry_timeout: Duration::from_secs(10),
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_virtual_hosted_style_request(false)
        // One at a time anyway, and what was wrong is then a status.
        .with_disable_bulk_delete(true)
        .with_client_options(client.clone())
        .with_retry(retry);
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let access = match &bucket.people {
        Some(people) => {
            let views = Views::new(builder.clone(), &client, &bucket.prefix, people)?;
            Access::OursOrTheirs(Arc::new(views))
        }
        None => Access::Ours,
    };
    if let Some((id, secret)) = &bucket.key {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
    }
    if let Some(token) = &bucket.session_token {
        builder = builder.with_token(token.expose_secret());
    }
    let store = PrefixStore::new(builder.build()?, bucket.prefix.as_str());
    Ok((Arc::new(store), access))
}

fn path(key: &str) -> Result<Path, StorageError> {
    Path::parse(key).map_err(|_| StorageError::Missing)
}

/// The same bytes in parts of one size; the last may be smaller, or empty.
fn parts(
    bytes: impl Stream<Item = io::Result<Bytes>>,
    size: usize,
    most: u64,
) -> impl Stream<Item = Result<Bytes, StorageError>> {
    let state = (Box::pin(bytes), BytesMut::new(), 0u64, false);
    stream::try_unfold(state, move |(mut bytes, mut held, mut total, ended)| async move {
        if ended {
            return Ok(None);
        }
        while held.len() < size {
            let Some(chunk) = bytes.next().await else {
                let rest = held.split().freeze();
                return Ok((!rest.is_empty()).then_some((rest, (bytes, held, total, true))));
            };
            let chunk = chunk.map_err(|_| StorageError::BrokenOff)?;
            total += chunk.len() as u64;
            if total > most {
                return Err(StorageError::TooLarge);
            }
            held.extend_from_slice(&chunk);
        }
        let part = held.split_to(size).freeze();
        Ok(Some((part, (bytes, held, total, false))))
    })
}

/// Ends with `Unavailable` when nothing comes for so long.
fn patient<T: Send + 'static>(
    items: impl Stream<Item = Result<T, StorageError>> + Send + 'static,
    patience: Duration,
) -> impl Stream<Item = Result<T, StorageError>> + Send + 'static {
    stream::unfold(Some(items.boxed()), move |items| async move {
        let mut items = items?;
        match tokio::time::timeout(patience, items.next()).await {
            Ok(Some(Ok(item))) => Some((Ok(item), Some(items))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(StorageError::Unavailable), None)),
        }
    })
}
