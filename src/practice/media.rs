//! What comes with words: pictures and PDFs, in a request or uploaded before, and what the practice tutor says
//! that it saw of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use super::google::refuse;

/// Uploads that are remembered; when one more comes, the oldest is forgotten, as after its 48 hours.
const KEPT: usize = 64;
/// What one upload may have.
const MAX_UPLOAD: usize = 128 << 20;
/// What Google counts for a tile of a picture, and for a page.
const TOKENS: u64 = 258;

#[derive(Default)]
pub(super) struct Uploads {
    files: Mutex<VecDeque<Upload>>,
    next: AtomicU64,
}

struct Upload {
    name: String,
    media_type: String,
    size: usize,
    begin: Vec<u8>,
    received: usize,
    ended: bool,
}

/// What was seen of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Picture { width: u32, height: u32 },
    Pdf { bytes: usize },
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData {
    mime_type: String,
    data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData {
    file_uri: String,
}

impl InlineData {
    pub(super) fn seen(&self) -> Result<Seen, Box<Response>> {
        let bytes = BASE64_STANDARD.decode(&self.data).map_err(|_| {
            Box::new(refuse(400, "INVALID_ARGUMENT", "Invalid value at 'contents.parts.inline_data.data'."))
        })?;
        seen(&self.mime_type, &bytes, bytes.len())
    }
}

impl FileData {
    pub(super) fn seen(&self, uploads: &Uploads) -> Result<Seen, Box<Response>> {
        let files = uploads.files.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.file_uri.rsplit_once("/v1beta/").map(|(_, name)| name);
        let file = files.iter().find(|file| file.ended && Some(file.name.as_str()) == name);
        let file = file.ok_or_else(|| {
            let words = "You do not have permission to access the File or it may not exist.";
            Box::new(refuse(403, "PERMISSION_DENIED", words))
        })?;
        seen(&file.media_type, &file.begin, file.size)
    }
}

fn seen(media_type: &str, begin: &[u8], size: usize) -> Result<Seen, Box<Response>> {
    let unreadable = || Box::new(refuse(400, "INVALID_ARGUMENT", "Unable to process input image."));
    match media_type {
        "application/pdf" if begin.starts_with(b"%PDF-") => Ok(Seen::Pdf { bytes: size }),
        "application/pdf" => Err(Box::new(refuse(400, "INVALID_ARGUMENT", "The document has no pages."))),
        "image/png" | "image/jpeg" => {
            let (width, height) = png(begin).or_else(|| jpeg(begin)).ok_or_else(unreadable)?;
            Ok(Seen::Picture { width, height })
        }
        kind if kind.starts_with("image/") || kind.starts_with("text/") => Ok(Seen::Other),
        _ => Err(Box::new(refuse(400, "INVALID_ARGUMENT", "Unsupported MIME type."))),
    }
}

fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let head = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    number(0).zip(number(4))
}

/// Walks the segments to the frame's head.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let (marker, length) = (*rest.get(1)?, u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
        if (0xc0..=0xcf).contains(&marker) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let number =
                |at: usize| Some(u32::from(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?)));
            return number(7).zip(number(5));
        }
        rest = rest.get(2 + usize::from(length)..)?;
    }
}

impl Seen {
    pub(super) fn tokens(&self) -> u64 {
        match self {
            Seen::Picture { width, height } => {
                u64::from(width.div_ceil(768).max(1)) * u64::from(height.div_ceil(768).max(1)) * TOKENS
            }
            Seen::Pdf { .. } | Seen::Other => TOKENS,
        }
    }

    fn words(&self) -> String {
        match self {
            Seen::Picture { width, height } => format!("a picture of {width} × {height} pixels"),
            Seen::Pdf { bytes } => format!("a PDF of {} KiB", bytes.div_ceil(1024)),
            Seen::Other => "a file".into(),
        }
    }
}

/// How the practice tutor begins when something was shown to it. It cannot read, and says so.
pub(super) fn opening(seen: &[Seen], documents: usize) -> String {
    let mut things: Vec<String> = seen.iter().map(Seen::words).collect();
    if documents > 0 {
        things.push(format!("the text of {documents} document{}", if documents == 1 { "" } else { "s" }));
    }
    let Some(last) = things.pop() else { return String::new() };
    let things = match things.is_empty() {
        true => last,
        false => format!("{} and {last}", things.join(", ")),
    };
    format!("I got {things}. I am only a practice tutor and cannot read it, so tell me what it says.\n\n")
}

// ---- The upload endpoints ---------------------------------------------------------------------

#[derive(Deserialize)]
pub(super) struct UploadId {
    upload_id: Option<String>,
}

/// The three commands of the resumable protocol.
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<UploadId>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let command = text("x-goog-upload-command");
    let wrong = || refuse(400, "INVALID_ARGUMENT", "Invalid upload request.");
    let mut files = shared.uploads.files.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(id) = query.upload_id else {
        let size = text("x-goog-upload-header-content-length").parse().unwrap_or(usize::MAX);
        if command != "start" || text("x-goog-upload-protocol") != "resumable" || size > MAX_UPLOAD {
            return wrong();
        }
        if files.len() >= KEPT {
            files.pop_front();
        }
        let number = shared.uploads.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("files/practice{number}");
        let media_type = text("x-goog-upload-header-content-type").to_owned();
        files.push_back(Upload { name, media_type, size, begin: Vec::new(), received: 0, ended: false });
        let address = format!("http://{}/upload/v1beta/files?upload_id={number}", text("host"));
        let status = [("x-goog-upload-url", address.as_str()), ("x-goog-upload-status", "active")];
        return (status, StatusCode::OK).into_response();
    };
    let name = format!("files/practice{id}");
    let Some(file) = files.iter_mut().find(|file| file.name == name && !file.ended) else { return wrong() };
    if text("x-goog-upload-offset").parse() != Ok(file.received) || !command.starts_with("upload") {
        return wrong();
    }
    file.received += body.len();
    let room = MAX_HEAD.saturating_sub(file.begin.len()).min(body.len());
    file.begin.extend_from_slice(&body[..room]);
    if !command.contains("finalize") {
        return ([("x-goog-upload-status", "active")], StatusCode::OK).into_response();
    }
    if file.received != file.size {
        return wrong();
    }
    file.ended = true;
    let reply = json!({"file": described(file, text("host"), "PROCESSING")});
    let kind = (header::CONTENT_TYPE, "application/json; charset=UTF-8");
    ([kind], [("x-goog-upload-status", "final")], reply.to_string()).into_response()
}

/// Enough of a file to know a picture's size.
const MAX_HEAD: usize = 1 << 20;

/// What the endpoint knows of an upload: it has looked at it by now.
pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let files = shared.uploads.files.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("files/{id}");
    match files.iter().find(|file| file.ended && file.name == name) {
        Some(file) => axum::Json(described(file, host, "ACTIVE")).into_response(),
        None => refuse(404, "NOT_FOUND", "Requested entity was not found."),
    }
}

/// For rehearsals: everything that was uploaded has expired.
pub(super) async fn forget(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.uploads.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    StatusCode::NO_CONTENT
}

fn described(file: &Upload, host: &str, state: &str) -> serde_json::Value {
    json!({
        "name": file.name,
        "uri": format!("http://{host}/v1beta/{}", file.name),
        "mimeType": file.media_type,
        "sizeBytes": file.size.to_string(),
        "state": state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_picture_is_read() {
        let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        head.extend([0, 0, 2, 128, 0, 0, 1, 224, 8]);
        assert_eq!(png(&head), Some((640, 480)));
        assert_eq!(png(&head[..20]), None);
        let photo = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x0b\x08\x01\xe0\x02\x80\x03";
        assert_eq!(jpeg(photo), Some((640, 480)));
        assert_eq!(jpeg(&photo[..10]), None);
    }

    #[test]
    fn what_was_seen_is_said() {
        let picture = Seen::Picture { width: 640, height: 480 };
        assert_eq!(opening(&[], 0), "");
        assert!(
            opening(std::slice::from_ref(&picture), 0).starts_with("I got a picture of 640 × 480 pixels. ")
        );
        let all = opening(&[picture, Seen::Pdf { bytes: 1025 }], 2);
        assert!(
            all.starts_with(
                "I got a picture of 640 × 480 pixels, a PDF of 2 KiB and the text of 2 documents. "
            ),
            "{all}"
        );
    }
}
