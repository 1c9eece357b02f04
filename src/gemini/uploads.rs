//! Files too large for a request: given to the model's endpoint by its resumable protocol, in chunks, and named
//! in the request once the endpoint has looked at them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;

use super::attach::{Blob, Fault, NotRead, Remote};
use super::retry::Trouble;
use super::transport::{Transport, refusal, trouble};
use super::wire::{FileReply, RemoteFile};
use crate::clock::{self, Timestamp};

/// What Google's own clients send at once.
const CHUNK: usize = 8 << 20;
/// An answer is a few lines of JSON.
const MAX_REPLY: usize = 64 * 1024;
/// How long the endpoint may look at a file before it can be used.
const LOOKS: u32 = 40;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Where the endpoint does not say how long it keeps a file: less than Google does.
const KEPT: Duration = Duration::from_secs(24 * 3600);

const PROTOCOL: HeaderName = HeaderName::from_static("x-goog-upload-protocol");
const COMMAND: HeaderName = HeaderName::from_static("x-goog-upload-command");
const LENGTH: HeaderName = HeaderName::from_static("x-goog-upload-header-content-length");
const KIND: HeaderName = HeaderName::from_static("x-goog-upload-header-content-type");
const OFFSET: HeaderName = HeaderName::from_static("x-goog-upload-offset");
const ADDRESS: HeaderName = HeaderName::from_static("x-goog-upload-url");

impl Transport {
    /// Gives a file to the endpoint. Without its name, which is the student's.
    pub(super) async fn upload(&self, media_type: &str, mut blob: Blob) -> Result<Remote, Fault> {
        let address = self.begin(media_type, blob.size).await?;
        let (mut held, mut offset) = (BytesMut::new(), 0u64);
        loop {
            let more = blob.bytes.next().await.transpose()?;
            let ended = more.is_none();
            held.extend_from_slice(&more.unwrap_or_default());
            if ended {
                if offset + held.len() as u64 != blob.size {
                    return Err(NotRead::Unavailable.into());
                }
                let reply = self.chunk(&address, held.freeze(), offset, "upload, finalize").await?;
                let reply: FileReply = read(reply).await?;
                return Ok(self.active(reply.file).await?);
            }
            while held.len() > CHUNK {
                self.chunk(&address, held.split_to(CHUNK).freeze(), offset, "upload").await?;
                offset += CHUNK as u64;
            }
        }
    }

    async fn begin(&self, media_type: &str, size: u64) -> Result<Url, Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL, HeaderValue::from_static("resumable"));
        headers.insert(COMMAND, HeaderValue::from_static("start"));
        headers.insert(LENGTH, HeaderValue::from(size));
        headers.insert(KIND, HeaderValue::from_str(media_type).map_err(|_| Trouble::Unreadable)?);
        let body = serde_json::json!({"file": {"mimeType": media_type, "sizeBytes": size.to_string()}});
        let url = self.beside("/upload/v1beta/files");
        let request = self.keyed(http::Method::POST, url.clone()).await?;
        let reply = sent(request.headers(headers).body(body.to_string())).await?;
        let address = reply.headers().get(ADDRESS).and_then(|value| value.to_str().ok());
        let address = address.and_then(|text| url.join(text).ok());
        // What the student sent goes where the endpoint says, but never less protected than to it.
        address.filter(|to| to.scheme() == "https" || to.scheme() == url.scheme()).ok_or(Trouble::Unreadable)
    }

    /// The address is a secret of its own; the key stays out of it.
    async fn chunk(
        &self,
        address: &Url,
        bytes: Bytes,
        offset: u64,
        command: &'static str,
    ) -> Result<Response, Trouble> {
        let request = self
            .bare(http::Method::POST, address.clone())
            .await?
            .header(COMMAND, command)
            .header(OFFSET, offset)
            .header(CONTENT_TYPE, "application/octet-stream");
        sent(request.body(bytes)).await
    }

    /// Waits until it may be named in a request.
    async fn active(&self, mut file: RemoteFile) -> Result<Remote, Trouble> {
        for _ in 0..LOOKS {
            match file.state.as_str() {
                "FAILED" => return Err(Trouble::Unreadable),
                "PROCESSING" => {}
                _ if file.uri.is_empty() => return Err(Trouble::Unreadable),
                _ => {
                    let said = file.expiration_time.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
                    let expires_at = said.unwrap_or_else(|| clock::now() + KEPT);
                    return Ok(Remote { name: file.name, uri: file.uri, expires_at });
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
            if !file.name.chars().all(is_plain) {
                return Err(Trouble::Unreadable);
            }
            let request =
                self.keyed(http::Method::GET, self.beside(&format!("/v1beta/{}", file.name))).await?;
            file = read(sent(request).await?).await?;
        }
        Err(Trouble::Timeout)
    }
}

async fn sent(request: reqwest::RequestBuilder) -> Result<Response, Trouble> {
    let response = request.send().await.map_err(|error| trouble(&error))?;
    match response.status().is_success() {
        true => Ok(response),
        false => Err(Trouble::Refused(refusal(response).await)),
    }
}

async fn read<T: DeserializeOwned>(mut response: Response) -> Result<T, Trouble> {
    let mut body = Vec::new();
    while let Some(more) = response.chunk().await.map_err(|error| trouble(&error))? {
        body.extend_from_slice(&more);
        if body.len() > MAX_REPLY {
            return Err(Trouble::Unreadable);
        }
    }
    serde_json::from_slice(&body).map_err(|_| Trouble::Unreadable)
}
