//! A look for malware by a ClamAV daemon, in its own protocol: `INSTREAM`, chunks with their lengths, one line
//! back.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config;

/// For one file, the connection included.
const PATIENCE: Duration = Duration::from_secs(60);
const CHUNK: usize = 64 << 10;
/// The longest answer that is read.
const ANSWER: u64 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("the scanner found malware")]
    Found,
    /// No answer, or none that says whether the file is clean: it is not taken.
    #[error("the scanner is away")]
    Away,
}

/// Who looks at files.
#[derive(Clone)]
pub struct Scanner(config::Scanner);

impl Scanner {
    pub fn new(at: config::Scanner) -> Scanner {
        Scanner(at)
    }

    /// Whether a file may be kept.
    pub async fn look(&self, path: &Path) -> Result<(), ScanError> {
        let answer = self.ask(Some(path)).await?;
        match answer.as_str() {
            clean if clean.ends_with(": OK") => Ok(()),
            // The name of what was found is the scanner's, not the student's.
            found if found.ends_with(" FOUND") => {
                tracing::warn!(found, "the scanner found malware in an upload");
                Err(ScanError::Found)
            }
            other => {
                tracing::error!(answer = other, "the scanner did not look (StreamMaxLength?)");
                Err(ScanError::Away)
            }
        }
    }

    /// Whether it answers.
    pub async fn check(&self) -> Result<(), ScanError> {
        let answer = self.ask(None).await?;
        if answer == "PONG" { Ok(()) } else { Err(ScanError::Away) }
    }

    async fn ask(&self, path: Option<&Path>) -> Result<String, ScanError> {
        let asked = async {
            match &self.0 {
                config::Scanner::Tcp(address) => {
                    talk(TcpStream::connect(address.as_str()).await?, path).await
                }
                config::Scanner::Unix(socket) => talk(UnixStream::connect(socket).await?, path).await,
            }
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::error!(%error, "the scanner is away");
                Err(ScanError::Away)
            }
            Err(_) => {
                tracing::error!("the scanner takes too long");
                Err(ScanError::Away)
            }
        }
    }
}

async fn talk(mut peer: impl AsyncRead + AsyncWrite + Unpin, path: Option<&Path>) -> io::Result<String> {
    match path {
        None => peer.write_all(b"zPING\0").await?,
        Some(path) => {
            // It may have said its word before it has read all: that word counts, not the broken pipe.
            let _ = send(&mut peer, path).await?;
        }
    }
    let mut answer = Vec::new();
    peer.take(ANSWER).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.trim_end_matches(['\0', '\n', '\r']).to_owned())
}

/// The outer error is of our file, the inner of the peer.
async fn send(peer: &mut (impl AsyncWrite + Unpin), path: &Path) -> io::Result<io::Result<()>> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut chunk = vec![0; CHUNK];
    if let Err(error) = peer.write_all(b"zINSTREAM\0").await {
        return Ok(Err(error));
    }
    loop {
        let read = file.read(&mut chunk).await?;
        let length = u32::try_from(read).unwrap_or_default().to_be_bytes();
        let sent = async {
            peer.write_all(&length).await?;
            peer.write_all(&chunk[..read]).await
        };
        if let Err(error) = sent.await {
            return Ok(Err(error));
        }
        // A chunk of no bytes is the end.
        if read == 0 {
            return Ok(peer.flush().await);
        }
    }
}
