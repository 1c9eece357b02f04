//! What reads strangers' bytes does it in a child process, `fynq convert`: a file as its stdin, a file as its
//! stdout, no way to open another, and limits on memory, processor time and time. What kills it, kills one
//! conversion.
//!
//! The child's output begins with a line of JSON that says what follows it.

mod child;
mod document;
mod filter;
mod image;
mod paged;

use std::io;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

pub use child::run as child;
pub use paged::Paged;

/// Conversions at once: each may take a processor for its time.
const AT_ONCE: usize = 2;
/// Those that wait for one of these, and how long they do; more or longer is `Busy`.
const WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(15);
/// The line that a child's output begins with.
const REPORT_BYTES: u64 = 4096;
/// The longest line that says how far a child is.
const LINE: usize = 48;

/// What can be converted, and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Image,
    /// The words of Word, PowerPoint and OpenDocument files.
    Office,
    /// The words of PDFs.
    Pdf,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Of address space.
    memory: u64,
    output: u64,
    processor_s: u64,
    wall: Duration,
}

impl Work {
    const ALL: [Work; 3] = [Work::Image, Work::Office, Work::Pdf];

    fn as_str(self) -> &'static str {
        match self {
            Work::Image => "image",
            Work::Office => "office",
            Work::Pdf => "pdf",
        }
    }

    fn limits(self) -> Limits {
        match self {
            Work::Image => {
                Limits { memory: 768 << 20, output: 64 << 20, processor_s: 10, wall: Duration::from_secs(20) }
            }
            Work::Pdf => {
                Limits { memory: 1 << 30, output: 8 << 20, processor_s: 60, wall: Duration::from_secs(120) }
            }
            Work::Office => {
                Limits { memory: 512 << 20, output: 8 << 20, processor_s: 20, wall: Duration::from_secs(40) }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Too many wait already, or for too long.
    #[error("too many conversions wait")]
    Busy,
    /// It is larger than is read here, or takes more than it may.
    #[error("it takes too much to read")]
    TooLarge,
    /// It is not what it says, or only a part of it.
    #[error("it cannot be read")]
    Broken,
    /// A fault of ours or of this machine.
    #[error("the conversion failed")]
    Failed,
}

/// An image as it is kept: where in the output, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub media_type: String,
    pub width: i32,
    pub height: i32,
    pub whole: Range<u64>,
    /// A small one: always a JPEG.
    pub preview: Range<u64>,
}

/// The words of a document: where in the output, in UTF-8, pages parted by form feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Of what has pages.
    pub pages: Option<i32>,
    /// There were more.
    pub cut: bool,
    pub text: Range<u64>,
}

/// What a child says of a document.
#[derive(Debug, serde::Serialize, Deserialize)]
struct TextReport {
    pages: Option<i32>,
    bytes: u64,
    cut: bool,
}

/// What a child says of an image.
#[derive(Debug, serde::Serialize, Deserialize)]
struct ImageReport {
    media_type: String,
    width: i32,
    height: i32,
    bytes: u64,
    preview_bytes: u64,
}

/// Runs conversions; cheap to clone.
#[derive(Clone)]
pub struct Converter(Arc<Inner>);

struct Inner {
    program: PathBuf,
    slots: Semaphore,
    queue: Semaphore,
    /// Documents are read one at a time: the other place is the students' images'.
    documents: Semaphore,
}

/// Who is told how far a conversion is: so many pages of so many.
pub type Told<'a> = &'a (dyn Fn(usize, usize) + Sync);

impl Converter {
    /// `program`: fynq itself, where this process is another.
    pub fn new(program: Option<&Path>) -> Converter {
        // This very file, whatever has taken its name since.
        let program = program.map_or_else(|| PathBuf::from("/proc/self/exe"), Path::to_owned);
        Converter(Arc::new(Inner {
            program,
            slots: Semaphore::new(AT_ONCE),
            queue: Semaphore::new(AT_ONCE + WAITING),
            documents: Semaphore::new(1),
        }))
    }

    /// Decodes an image within limits and encodes it anew into `into`: upright, not too large, and without
    /// anything beside its pixels.
    pub async fn image(&self, from: &Path, into: &Path) -> Result<Image, ConvertError> {
        let (report, at): (ImageReport, u64) = self.run(Work::Image, from, into, &|_, _| {}).await?;
        let preview_at = at + report.bytes;
        Ok(Image {
            media_type: report.media_type,
            width: report.width,
            height: report.height,
            whole: at..preview_at,
            preview: preview_at..preview_at + report.preview_bytes,
        })
    }

    /// Whether there are words to be read of such a file.
    pub fn reads(media_type: &str) -> bool {
        reader(media_type).is_some()
    }

    /// The words of a document into `into`, behind those of others: whoever asks for them has time.
    pub async fn words(
        &self,
        media_type: &str,
        from: &Path,
        into: &Path,
        told: Told<'_>,
    ) -> Result<Words, ConvertError> {
        let work = reader(media_type).ok_or(ConvertError::Broken)?;
        let _only = self.0.documents.acquire().await.map_err(|_| ConvertError::Failed)?;
        let (report, at): (TextReport, u64) = self.run(work, from, into, told).await?;
        Ok(Words { pages: report.pages, cut: report.cut, text: at..at + report.bytes })
    }

    /// One conversion: what the child reports, and where in `into` its output begins.
    pub(crate) async fn run<T: DeserializeOwned>(
        &self,
        work: Work,
        from: &Path,
        into: &Path,
        told: Told<'_>,
    ) -> Result<(T, u64), ConvertError> {
        let _turn = self.turn().await?;
        let begun = Instant::now();
        let done = self.child(work, from, into, told).await;
        let outcome = match &done {
            Ok(()) => "done",
            Err(ConvertError::TooLarge) => "too_large",
            Err(ConvertError::Broken) => "broken",
            Err(_) => "failed",
        };
        metrics::counter!("fynq_conversions_total", "what" => work.as_str(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!("fynq_conversion_seconds", "what" => work.as_str()).record(begun.elapsed());
        done?;
        report(into).await
    }

    async fn turn(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), ConvertError> {
        let place = self.0.queue.try_acquire().map_err(|_| ConvertError::Busy)?;
        match timeout(PATIENCE, self.0.slots.acquire()).await {
            Ok(Ok(slot)) => Ok((place, slot)),
            _ => Err(ConvertError::Busy),
        }
    }

    async fn child(&self, work: Work, from: &Path, into: &Path, told: Told<'_>) -> Result<(), ConvertError> {
        let failed = |error: io::Error| {
            tracing::error!(%error, what = work.as_str(), "a conversion did not start");
            ConvertError::Failed
        };
        let input = tokio::fs::File::open(from).await.map_err(failed)?.into_std().await;
        let output = tokio::fs::File::create(into).await.map_err(failed)?.into_std().await;
        let mut child = Command::new(&self.0.program)
            .args(["convert", work.as_str()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let says = child.stderr.take();
        let ends = async {
            // What is not read would stop it.
            let heard = async {
                if let Some(says) = says {
                    listen(says, told).await;
                }
            };
            tokio::join!(child.wait(), heard).0
        };
        match timeout(work.limits().wall, ends).await {
            Ok(status) => outcome(work, status.map_err(failed)?),
            Err(_) => {
                let _ = child.kill().await;
                tracing::warn!(what = work.as_str(), "a conversion took too long");
                Err(ConvertError::TooLarge)
            }
        }
    }
}

/// Hears how far a child is, a line for each page; whatever else it says (a decoder's panic, say) is passed over.
async fn listen(mut says: impl AsyncRead + Unpin, told: Told<'_>) {
    let (mut bytes, mut line) = ([0; 4096], Vec::with_capacity(LINE));
    while let Ok(read @ 1..) = says.read(&mut bytes).await {
        for byte in &bytes[..read] {
            if *byte == b'\n' {
                if let Some((done, of)) = progress(&line) {
                    told(done, of);
                }
                line.clear();
            } else if line.len() < LINE {
                line.push(*byte);
            }
        }
    }
}

/// `37 100`
fn progress(line: &[u8]) -> Option<(usize, usize)> {
    let (done, of) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    done.parse().ok().zip(of.parse().ok())
}

/// What reads a document's words.
fn reader(media_type: &str) -> Option<Work> {
    match media_type {
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        | "application/vnd.openxmlformats-officedocument.presentationml.presentation"
        | "application/vnd.oasis.opendocument.text" => Some(Work::Office),
        "application/pdf" => Some(Work::Pdf),
        _ => None,
    }
}

fn outcome(work: Work, status: ExitStatus) -> Result<(), ConvertError> {
    if status.success() {
        return Ok(());
    }
    let said = status.code().and_then(|code| child::Fault::of(u8::try_from(code).ok()?));
    match said {
        Some(child::Fault::TooLarge) => Err(ConvertError::TooLarge),
        Some(child::Fault::Broken) => Err(ConvertError::Broken),
        // A decoder's panic: whatever it read, it is not what it says.
        None if status.code() == Some(child::PANICKED) => {
            tracing::warn!(what = work.as_str(), "a decoder panicked");
            Err(ConvertError::Broken)
        }
        // Its own abort when no memory is left, or the system's when a limit is reached.
        None if status.signal().is_some() => {
            tracing::warn!(what = work.as_str(), signal = status.signal(), "a conversion was ended");
            Err(ConvertError::TooLarge)
        }
        None if status.code() == Some(i32::from(child::UNCONFINED)) => {
            tracing::error!(
                "nothing is converted: this kernel has no filter of system calls (seccomp) for it"
            );
            Err(ConvertError::Failed)
        }
        _ => {
            tracing::error!(what = work.as_str(), code = status.code(), "a conversion failed");
            Err(ConvertError::Failed)
        }
    }
}

/// The first line of a child's output, and where what follows begins.
async fn report<T: DeserializeOwned>(path: &Path) -> Result<(T, u64), ConvertError> {
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        let mut line = Vec::new();
        let read = BufReader::new(file).take(REPORT_BYTES).read_until(b'\n', &mut line).await?;
        let report = serde_json::from_slice(&line)?;
        Ok::<_, io::Error>((report, read as u64))
    };
    read.await.map_err(|error| {
        tracing::error!(%error, "a conversion's output cannot be read");
        ConvertError::Failed
    })
}
