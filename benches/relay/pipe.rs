//! Gemini's server-sent events over HTTP/1.1, as a bare proxy passes them on.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::{Answer, Tally, Window};
use crate::socket::{PATIENCE, dial};

pub(crate) struct Pipe {
    server: SocketAddr,
    chunks: u64,
    stream: TcpStream,
}

impl Pipe {
    pub(crate) async fn open(server: SocketAddr, number: usize, chunks: u64) -> anyhow::Result<Pipe> {
        Ok(Pipe { server, chunks, stream: dial(server, number, false).await? })
    }

    pub(crate) async fn ask(
        &mut self,
        question: &str,
        window: &Window,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let body =
            format!("{{\"contents\":[{{\"role\":\"user\",\"parts\":[{{\"text\":\"{question}\"}}]}}]}}");
        let request = format!(
            "POST /v1beta/models/practice-1:streamGenerateContent?alt=sse HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.server,
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        let mut body = Body::default();
        // What is not a whole line yet.
        let mut text = Vec::new();
        let mut answer = Answer::default();
        let mut finished = false;
        let mut buffer = [0; 4096];
        loop {
            let got = timeout(PATIENCE, self.stream.read(&mut buffer)).await.context("no chunk came")??;
            ensure!(got > 0, "the connection was closed in mid-answer");
            let done = if body.begun {
                body.take(&buffer[..got], &mut text)?
            } else {
                head.extend_from_slice(&buffer[..got]);
                let Some(end) = memmem::find(&head, b"\r\n\r\n") else { continue };
                ensure!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
                body.begun = true;
                body.take(&head[end + 4..], &mut text)?
            };
            if let Some(end) = memchr::memrchr(b'\n', &text) {
                answer.take(&text[..end], window, tally)?;
                finished |= memmem::find(&text[..end], b"\"finishReason\":\"STOP\"").is_some();
                text.drain(..=end);
            }
            if done {
                ensure!(finished, "an answer ended without its finish reason");
                return answer.end(self.chunks, tally);
            }
        }
    }
}

/// Takes HTTP's chunks apart.
#[derive(Default)]
struct Body {
    begun: bool,
    at: At,
    /// Of the present chunk: what its size line says so far, then what is still to come.
    size: usize,
}

#[derive(Default)]
enum At {
    #[default]
    Size,
    Text,
    /// The line end after a chunk.
    Gap,
    /// The empty line after the last.
    Last,
}

impl Body {
    /// True with the last byte of the body.
    fn take(&mut self, mut bytes: &[u8], text: &mut Vec<u8>) -> anyhow::Result<bool> {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.at {
                At::Text => {
                    let (now, rest) = bytes.split_at(self.size.min(bytes.len()));
                    text.extend_from_slice(now);
                    self.size -= now.len();
                    if self.size == 0 {
                        self.at = At::Gap;
                    }
                    bytes = rest;
                    continue;
                }
                At::Size if byte == b'\n' => self.at = if self.size == 0 { At::Last } else { At::Text },
                At::Gap if byte == b'\n' => self.at = At::Size,
                At::Last if byte == b'\n' => return Ok(true),
                _ if byte == b'\r' => {}
                At::Size => {
                    let Some(digit) = char::from(byte).to_digit(16) else { bail!("not a chunk's size") };
                    self.size = self.size * 16 + digit as usize;
                }
                At::Gap | At::Last => bail!("no line end where one was due"),
            }
            bytes = rest;
        }
        Ok(false)
    }
}
