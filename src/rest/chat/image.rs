//! A question that is a picture: the upload and the message in one request.

use axum::extract::multipart::Field;
use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;

use crate::app::{App, blobs_are_gone};
use crate::id::{self, Uuid};
use crate::identity::Principal;
use crate::problem::Problem;
use crate::protocol::MAX_TEXT;
use crate::store;

use super::super::input::parse_id;
use super::super::uploads::{Form, Upload};
use super::{Asked, ChatReply, session_for, speak, wants_events};

/// The form of a picture with a question.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "for the document alone: a form is read as it comes")]
pub(in crate::rest) struct ImageForm {
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// At most 16 KiB; a picture needs no words.
    #[schema(max_length = 16384)]
    text: Option<String>,
    /// Left out: a new session. It comes before the image if a wrong one is to be refused at once.
    session_id: Option<Uuid>,
}

/// Sends a picture with or without words, and answers as `POST /chat/message`. The picture becomes a file of the
/// student's.
#[utoipa::path(
    post, path = "/chat/image", tag = "chat",
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, content(
            (ChatReply = "application/json"),
            (String = "text/event-stream", example = "data: {\"type\":\"RUN_STARTED\",…}\n\n"),
        )),
        (status = 400, description = "`bad_request`: the form broke off or cannot be read"),
        (status = 403, description = "`forbidden`, `consent_required`"),
        (status = 404, description = "`not_found`: no such session, or not yours to see"),
        (status = 408, description = "`request_timeout`"),
        (status = 409, description = "`queue_full`"),
        (status = 413, description = "`file_too_large`, `image_too_large`, `no_room`"),
        (status = 415, description = "`unsupported_file`: no image; `unsupported_media_type`: no form"),
        (status = 422, description = "`unreadable_file`, `malware_found`, `invalid_input`"),
        (status = 429, description = "`quota_exceeded`, `rate_limited`: `Retry-After` says when to come back"),
        (status = 507, description = "`storage_full`"),
    )
)]
pub(in crate::rest) async fn image(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(Problem::draining());
    }
    if !who.may_speak {
        return Err(Problem::consent_required());
    }
    let form = Form::open(&app, request).await?;
    let (file, text, session) = taken(&app, &who, form).await?;
    let asked = async {
        if !file.media_type.starts_with("image/") {
            return Err(Problem::unsupported_file().because("`image` is no picture."));
        }
        let session = match session {
            Some(session) => session,
            None => session_for(&app, &who, None, &[]).await?,
        };
        let asked = Asked { session, message: id::new(), text, files: vec![file.id] };
        speak(&app, &who, asked, wants_events(&headers)).await
    };
    match asked.await {
        Ok(response) => Ok(response),
        Err(problem) => {
            // What was refused leaves nothing behind.
            if let Ok(true) = app.store.unsent_file_ends(who.user_id, file.id).await {
                blobs_are_gone(&app);
            }
            Err(problem)
        }
    }
}

/// Reads the form: its parts come in any order.
async fn taken(
    app: &App,
    who: &Principal,
    mut form: Form,
) -> Result<(store::File, String, Option<Uuid>), Problem> {
    let room = form.room();
    let (mut kept, mut text, mut session) = (None, None, None);
    while let Some(part) = form.next(app).await? {
        match part.name() {
            Some("image") if kept.is_none() => {
                let given = part.file_name().unwrap_or_default().to_owned();
                let upload = Upload::begin(app, who, &given, room).await?;
                let spooled = upload.receive(part).await?;
                kept = Some((upload, spooled));
            }
            Some("text") if text.is_none() => text = Some(words(app, part, "/text", MAX_TEXT).await?),
            Some("session_id") if session.is_none() => {
                let id = words(app, part, "/session_id", 64).await?;
                let id = parse_id(&id).ok_or_else(|| Problem::field("/session_id", "is no id"))?;
                app.auth.own_session(who, id).await?;
                session = Some(id);
            }
            name => {
                let name: String = name.unwrap_or_default().chars().take(64).collect();
                return Err(Problem::field(format!("/{name}"), "is not known here, or given twice"));
            }
        }
    }
    let (upload, spooled) = kept.ok_or_else(|| Problem::field("/image", "is required"))?;
    form.ended(app).await?;
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or_default();
    Ok((upload.keep(spooled).await?, text, session))
}

/// A short text of a form.
async fn words(app: &App, mut part: Field<'_>, pointer: &str, most: usize) -> Result<String, Problem> {
    let idle = app.settings.files.idle_timeout;
    let mut bytes = Vec::new();
    loop {
        let chunk = tokio::time::timeout(idle, part.chunk()).await.map_err(|_| Problem::request_timeout())?;
        match chunk.map_err(|_| Problem::bad_request().because("The form broke off."))? {
            None => break,
            Some(chunk) => bytes.extend_from_slice(&chunk),
        }
        if bytes.len() > most {
            return Err(Problem::field(pointer, "is too long"));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| Problem::field(pointer, "is no UTF-8"))?;
    match text.contains('\0') {
        true => Err(Problem::field(pointer, "holds a NUL character")),
        false => Ok(text),
    }
}
