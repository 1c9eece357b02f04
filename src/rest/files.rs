//! Files: uploaded, listed, read by signed addresses, deleted.

use std::io;
use std::ops::Range;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, TryStreamExt as _};
use garde::Validate;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, RANGE,
};
use serde::{Deserialize, Serialize};

use crate::app::{App, blobs_are_gone};
use crate::audit::Event;
use crate::auth::{self, FileAccess, Signed};
use crate::clock::Timestamp;
use crate::files::{kind, name};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store;

use super::input::{Id, ValidQuery};
use super::page::{ListQuery, Page};
use super::uploads::Form;

/// An uploaded file.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct File {
    id: Uuid,
    name: String,
    /// What its bytes are.
    media_type: String,
    /// In bytes, as it is kept.
    size: i64,
    /// Where it can be read, by whoever asked and for five minutes.
    url: String,
    /// A small JPEG of an image, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<i32>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl File {
    /// With addresses of this sign-in's.
    pub(super) fn of(app: &App, who: &Principal, row: store::File) -> File {
        let Signed { by, until, sig } = app.auth.sign_address(who, &signed_as(row.id));
        let url = format!("/api/v1/files/{}/data?by={by}&until={until}&sig={sig}", row.id);
        File {
            id: row.id,
            name: row.name,
            media_type: row.media_type,
            size: row.size,
            preview_url: row.preview_key.map(|_| format!("{url}&variant=preview")),
            url,
            width: row.width,
            height: row.height,
            pages: row.pages,
            created_at: row.created_at,
        }
    }
}

fn signed_as(file: Uuid) -> String {
    format!("file {file}")
}

/// The form of an upload.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "for the document alone: a form is read as it comes")]
pub(super) struct UploadForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Uploads one file: an image (PNG, JPEG, WebP, GIF), a PDF, a text (UTF-8) or a common office document.
///
/// Its bytes decide what it is, not its name. Of an image our own encoding is kept: upright, its longer edge
/// at most 2048 pixels, without anything that came beside the pixels.
#[utoipa::path(
    post, path = "/files/upload", tag = "files",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = File),
        (status = 400, description = "`bad_request`: the form broke off or cannot be read"),
        (status = 403, description = "`forbidden`: the storage's own rules do not let you"),
        (status = 408, description = "`request_timeout`: nothing came for 30 seconds"),
        (status = 413, description = "`file_too_large`, `image_too_large`, or `no_room`: a quota is used up"),
        (status = 415, description = "`unsupported_file`, or `unsupported_media_type`: no form"),
        (status = 422, description = "`unreadable_file`: damaged or cut off; `malware_found`; `invalid_input`"),
        (status = 507, description = "`storage_full`"),
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    who: Principal,
    request: Request,
) -> Result<(StatusCode, Json<File>), Problem> {
    let file = Form::open(&app, request).await?.keep(&app, &who).await?;
    Ok((StatusCode::CREATED, Json(File::of(&app, &who, file))))
}

/// One's own files, the newest first.
#[utoipa::path(
    get, path = "/files", tag = "files", params(ListQuery),
    responses((status = 200, body = Page<File>))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<File>>, Problem> {
    let page = app.store.files_of(who.user_id, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, |row| File::of(&app, &who, row))))
}

/// A file of one's own, one that was sent in a session that one sees, or one that is attached to content that one
/// sees, with fresh addresses.
#[utoipa::path(
    get, path = "/files/{id}", tag = "files", params(("id" = Uuid, Path)),
    responses((status = 200, body = File))
)]
pub(super) async fn get(State(app): State<App>, who: Principal, Id(id): Id) -> Result<Json<File>, Problem> {
    let (row, access) = app.auth.file(&who, id).await?;
    looked_at(&app, &who, &row, access);
    Ok(Json(File::of(&app, &who, row)))
}

/// Somebody else's file is not looked at without a word of it: its name and its size say something, too.
fn looked_at(app: &App, who: &Principal, row: &store::File, access: FileAccess) {
    if let (FileAccess::Observer, Some(owner)) = (access, row.owner_id) {
        let read = Event::FileRead { file: row.id, owner, why: who.role.into() };
        app.audit.read(who, &read);
    }
}

/// Deletes a file. By whose it is; where it was sent, it is shown as gone. What is attached to content is taken
/// out of there instead.
#[utoipa::path(
    delete, path = "/files/{id}", tag = "files", params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        (status = 403, description = "`forbidden`: another's file"),
        (status = 409, description = "`conflict`: it is attached to content"),
    )
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (_, access) = app.auth.file(&who, id).await?;
    if access != FileAccess::Owner {
        return Err(auth::forbidden(&who, "file"));
    }
    if !app.store.delete_file(who.user_id, id).await? {
        return Err(match app.store.file_is_attached(who.user_id, id).await? {
            true => {
                Problem::conflict().because("It is attached to something in the library: take it out there.")
            }
            false => Problem::not_found(),
        });
    }
    app.audit.record(&who, &Event::FileDeleted { file: id });
    blobs_are_gone(&app);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Address {
    /// As `url` has it.
    #[garde(skip)]
    by: Uuid,
    #[garde(skip)]
    until: i64,
    #[garde(length(bytes, max = 64))]
    #[param(max_length = 64)]
    sig: String,
    /// `preview`: a small JPEG of an image.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    variant: Option<Variant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Variant {
    Preview,
}

/// A file's bytes, by the address that `GET /files/{id}` gives. It works for five minutes, while the sign-in
/// that it was given to lasts, and while that person may see the file.
#[utoipa::path(
    get, path = "/files/{id}/data", tag = "files", security(()), params(("id" = Uuid, Path), Address),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "The part that `Range` asks for"),
        (status = 401, description = "`unauthorized`: the address is forged or has expired"),
        (status = 403, description = "`forbidden`: the storage's own rules do not let you"),
        (status = 416, description = "`range_not_satisfiable`"),
    )
)]
pub(super) async fn data(
    State(app): State<App>,
    Id(id): Id,
    ValidQuery(address): ValidQuery<Address>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let signed = Signed { by: address.by, until: address.until, sig: address.sig };
    let who = app.auth.open_address(&signed_as(id), &signed).await?;
    let (row, access) = app.auth.file(&who, id).await?;
    looked_at(&app, &who, &row, access);
    match address.variant {
        Some(Variant::Preview) => {
            let key = row.preview_key.ok_or_else(Problem::not_found)?;
            let dress = Dress {
                media_type: "image/jpeg",
                name: name::kept(&row.name, ".jpg", &[".jpeg"]),
                inline: true,
            };
            send(&app, &who, &key, None, dress).await
        }
        None => {
            let inline = kind::of(&row.media_type).is_some_and(|kind| kind.is_image);
            let size = u64::try_from(row.size).unwrap_or_default();
            let range = match headers.get(RANGE).map(|range| asked(range, size)) {
                Some(Asked::Part(range)) => Some(range),
                Some(Asked::Beyond) => return Ok(beyond(size)),
                Some(Asked::Whole) | None => None,
            };
            let dress = Dress { media_type: &row.media_type, name: row.name, inline };
            send(&app, &who, &row.key, range, dress).await
        }
    }
}

struct Dress<'a> {
    media_type: &'a str,
    name: String,
    /// Only what is of our own making: everything else is handed out, never shown.
    inline: bool,
}

async fn send(
    app: &App,
    who: &Principal,
    key: &str,
    range: Option<Range<u64>>,
    dress: Dress<'_>,
) -> Result<Response, Problem> {
    let part = range.is_some();
    let blob = app.files_of(who)?.get(key, range).await?;
    let how = if dress.inline { "inline" } else { "attachment" };
    let text = |text: &str| HeaderValue::from_str(text).map_err(|_| Problem::internal());
    let mut headers: Vec<(HeaderName, HeaderValue)> = vec![
        (CONTENT_TYPE, text(dress.media_type)?),
        (CONTENT_DISPOSITION, text(&name::disposition(how, &dress.name))?),
        (CONTENT_LENGTH, HeaderValue::from(blob.range.end - blob.range.start)),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        // The address is a secret of five minutes: nobody on the way keeps what it gave.
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    if part {
        let Range { start, end } = blob.range;
        headers
            .push((CONTENT_RANGE, text(&format!("bytes {start}-{}/{}", end.saturating_sub(1), blob.size))?));
    }
    let status = if part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    // What takes its time goes to nobody whose rights have ended meanwhile.
    let bytes = blob.bytes.map_err(io::Error::other).take_until(app.auth.rights_end(who));
    let mut response = (status, Body::from_stream(bytes)).into_response();
    response.headers_mut().extend(headers);
    Ok(response)
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Part(Range<u64>),
    /// Several, or none that is understood.
    Whole,
    Beyond,
}

fn asked(range: &HeaderValue, size: u64) -> Asked {
    let read = || {
        let (first, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let number =
            |text: &str| if text.is_empty() { Some(None) } else { text.parse::<u64>().ok().map(Some) };
        Some((number(first.trim())?, number(last.trim())?))
    };
    match read() {
        Some((None, Some(0))) => Asked::Beyond,
        Some((None, Some(last))) => Asked::Part(size.saturating_sub(last)..size),
        Some((Some(first), _)) if first >= size => Asked::Beyond,
        Some((Some(first), None)) => Asked::Part(first..size),
        Some((Some(first), Some(last))) if last >= first => {
            Asked::Part(first..last.saturating_add(1).min(size))
        }
        _ => Asked::Whole,
    }
}

fn beyond(size: u64) -> Response {
    let mut response = Problem::range_not_satisfiable().into_response();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_the_whole_or_beyond() {
        let read = |text: &'static str| asked(&HeaderValue::from_static(text), 10);
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=2-18446744073709551615", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
        ] {
            assert_eq!(read(text), Asked::Part(part), "{text}");
        }
        for text in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
            assert_eq!(read(text), Asked::Beyond, "{text}");
        }
        for text in ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "", "bytes=1"] {
            assert_eq!(read(text), Asked::Whole, "{text}");
        }
    }
}
