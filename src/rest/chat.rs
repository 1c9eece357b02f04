//! Speaking without a socket: a message in, the run's events or its reply out.

pub(super) mod image;
mod replay;

use std::convert::Infallible;
use std::marker;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use garde::Validate;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::audit::Event;
use crate::clock;
use crate::id::{self, Uuid};
use crate::identity::{Access, Principal};
use crate::problem::Problem;
use crate::protocol::{AuthorKind, MAX_TEXT, Message, Send, Status, unfit};
use crate::session::Following;
use crate::store::Reached;

use super::input::{Id, Valid, ValidQuery, no_nul, not_blank};
use super::page::{ListQuery, Page};

/// A reader that lost its place asks the database this often whether the run has ended …
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// … and this many times at most.
const LOOKS: u32 = 400;

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChatMessage {
    /// Left out: a new session.
    #[serde(default)]
    #[garde(skip)]
    session_id: Option<Uuid>,
    /// The client's own id for the message: sent twice, it takes effect once.
    #[serde(default)]
    #[garde(skip)]
    id: Option<Uuid>,
    /// At most 16 KiB; may be empty, or left out, when there are files.
    #[serde(default)]
    #[garde(length(bytes, max = MAX_TEXT), custom(said(&self.files)), custom(no_nul))]
    #[schema(max_length = 16384)]
    text: String,
    /// Ids of the student's own files.
    #[serde(default)]
    #[garde(custom(fit))]
    #[schema(max_items = 5)]
    files: Vec<Uuid>,
}

fn said(files: &[Uuid]) -> impl FnOnce(&str, &()) -> garde::Result {
    let alone = files.is_empty();
    move |text, context| if alone { not_blank(text, context) } else { Ok(()) }
}

fn fit(files: &[Uuid], (): &()) -> garde::Result {
    unfit(files).map_or(Ok(()), |why| Err(garde::Error::new(why)))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ChatReply {
    session_id: Uuid,
    message: Message,
    /// The assistant's message, whatever its status. `null`: nobody answered, because a tutor holds
    /// the session.
    #[schema(required)]
    reply: Option<Message>,
}

/// Sends a message and answers when its run has ended; with `Accept: text/event-stream`, with the
/// events of the run as they happen. Hanging up does not stop the run.
#[utoipa::path(
    post, path = "/chat/message", tag = "chat", request_body = ChatMessage,
    responses(
        (status = 200, content(
            (ChatReply = "application/json"),
            (String = "text/event-stream", example = "data: {\"type\":\"RUN_STARTED\",…}\n\n"),
        )),
        (status = 403, description = "`forbidden`, `consent_required`"),
        (status = 404, description = "`not_found`: no such session, or not yours to see"),
        (status = 409, description = "`queue_full`"),
        (status = 429, description = "`quota_exceeded`, `rate_limited`: `Retry-After` says when to come back"),
    )
)]
pub(super) async fn message(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    Valid(input): Valid<ChatMessage>,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(Problem::draining());
    }
    if !who.may_speak {
        return Err(Problem::consent_required());
    }
    let message = input.id.unwrap_or_else(id::new);
    let session = match input.session_id {
        Some(session) => session,
        None => session_for(&app, &who, input.id, &input.files).await?,
    };
    // With files, and no words among the blanks.
    let text = if input.text.trim().is_empty() { String::new() } else { input.text };
    let asked = Asked { session, message, text, files: input.files };
    speak(&app, &who, asked, wants_events(&headers)).await
}

/// A message that was read.
struct Asked {
    session: Uuid,
    message: Uuid,
    text: String,
    files: Vec<Uuid>,
}

async fn speak(app: &App, who: &Principal, asked: Asked, events: bool) -> Result<Response, Problem> {
    let Asked { session, message, text, files } = asked;
    app.auth.own_session(who, session).await?;
    let handle = app.sessions.open(session).await?;
    let send = Send { id: message, text, files };
    // An answer that takes its time goes to nobody who has been signed out meanwhile.
    let rights_end = app.auth.rights_end(who);
    let following = handle.ask(who, Access::Owner, send).await?;
    match following.run_id() {
        Some(run) if events => {
            Ok(sse(live(app.clone(), session, run, following).take_until(Box::pin(rights_end))))
        }
        Some(run) => tokio::select! {
            biased;
            () = rights_end => Err(Problem::unauthorized()),
            reply = reply(app, session, run, following) => Ok(Json(reply?).into_response()),
        },
        // Sent again long after: its run is over, what it left is in the database.
        None => {
            let run = app.store.run_of(session, message).await?.ok_or_else(Problem::not_found)?;
            let rows = app.store.run_messages(session, run).await?;
            if events {
                return Ok(sse(stream::iter(replay::events(session, run, &rows))));
            }
            let reply = ended(session, message, rows).ok_or_else(Problem::not_found)?;
            Ok(Json(reply).into_response())
        }
    }
}

/// The session of a message that names none. A message with an id of its own always gets the same
/// one, so that sending it twice makes one session.
async fn session_for(
    app: &App,
    who: &Principal,
    message: Option<Uuid>,
    files: &[Uuid],
) -> Result<Uuid, Problem> {
    let session = message.map_or_else(id::new, |message| derived(who.user_id, message));
    // None is made for files that will be refused.
    if !files.is_empty()
        && !app.store.session_exists(session).await?
        && let Some(at) = app.store.unfit_file(who.user_id, files).await?
    {
        return Err(Problem::unfit_file(at));
    }
    app.store.ensure_session(session, who.user_id, clock::now()).await?;
    Ok(session)
}

/// A UUIDv7 with the birth time of the message's id, its random part from a hash that nobody else's
/// message can give.
fn derived(user: Uuid, message: Uuid) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"fynq session of");
    hash.update(user);
    hash.update(message);
    let hash = hash.finalize();
    let millis = match message.get_version_num() {
        7 => message.as_bytes()[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte)),
        // An id without a time was born at the beginning of time.
        _ => 0,
    };
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let refused = |part: &str| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            parts.next().is_some_and(|media| media.eq_ignore_ascii_case("text/event-stream"))
                && !parts.any(refused)
        })
}

/// The events of a run as they happen; of one that is over and gone from the log, as its rows tell.
fn live(app: App, session: Uuid, run: Uuid, mut following: Following) -> impl Stream<Item = Bytes> {
    let events = async move {
        if let Some(first) = following.next().await {
            // Sent again, and the log no longer reaches back to the run's beginning: half of it would
            // be no answer, so its end is waited for and its rows tell it whole.
            if !first.starts_with(br#"{"type":"RUN_STARTED""#) {
                while following.next().await.is_some() {}
                return told(&app, session, run).await.boxed();
            }
            let rest = stream::unfold(following, |mut following| async move {
                let event = following.next().await?;
                Some((event, following))
            });
            return stream::iter([first]).chain(rest).boxed();
        }
        told(&app, session, run).await.boxed()
    };
    stream::once(events).flatten()
}

/// The events of a run as its rows tell, once it is over.
async fn told(app: &App, session: Uuid, run: Uuid) -> impl Stream<Item = Bytes> + use<> {
    let mut told = Vec::new();
    for _ in 0..LOOKS {
        // A database that is away ends the stream without an end of the run, like any cut.
        let rows = app.store.run_messages(session, run).await.unwrap_or_default();
        if is_over(&rows) {
            told = replay::events(session, run, &rows);
        }
        if !told.is_empty() || rows.is_empty() {
            break;
        }
        // Only a reader that fell behind the log comes here: the run is still going on.
        tokio::time::sleep(LOOK_EVERY).await;
    }
    stream::iter(told)
}

/// Events as SSE: `data: {…}` and a blank line each, then the end.
pub(super) fn sse(events: impl Stream<Item = Bytes> + marker::Send + 'static) -> Response {
    let frames = events.map(|event| Ok::<_, Infallible>(frame(&event)));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would keep the events back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, Body::from_stream(frames)).into_response()
}

/// JSON holds no line break, so one event is one line.
fn frame(event: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(event.len() + 8);
    frame.put_slice(b"data: ");
    frame.put_slice(event);
    frame.put_slice(b"\n\n");
    frame.freeze()
}

/// Waits for the end of the run and reads what was committed.
async fn reply(app: &App, session: Uuid, run: Uuid, mut following: Following) -> Result<ChatReply, Problem> {
    while following.next().await.is_some() {}
    for _ in 0..LOOKS {
        let rows = app.store.run_messages(session, run).await?;
        if let Some(reply) = ended(session, following.message_id(), rows) {
            return Ok(reply);
        }
        // Only a reader that fell behind the log comes here: the run is still going on.
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::error!(%session, %run, "a run did not end in time");
    Err(Problem::internal())
}

/// The reply of a run, if it has ended.
fn ended(session: Uuid, message: Uuid, rows: Vec<Message>) -> Option<ChatReply> {
    if !is_over(&rows) {
        return None;
    }
    let (mut question, mut reply) = (None, None);
    for row in rows {
        if row.id == message {
            question = Some(row);
        } else if row.author.kind == AuthorKind::Assistant {
            reply = Some(row);
        }
    }
    Some(ChatReply { session_id: session, message: question?, reply })
}

fn is_over(rows: &[Message]) -> bool {
    !rows.is_empty() && !rows.iter().any(|row| matches!(row.status, Status::Streaming | Status::Queued))
}

/// All messages of a user, for themself, their tutors and their admin: the newest session first, each session's messages oldest first and what
/// waits for its run last.
#[utoipa::path(
    get, path = "/chat/history/{user_id}", tag = "chat", params(("user_id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Message>))
)]
pub(super) async fn history(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Message>>, Problem> {
    app.auth.may_read_user(&who, user).await?;
    let after: Option<(Uuid, Reached)> = query.after()?;
    if who.user_id != user {
        let read = Event::ConversationRead { session: None, student: user, why: who.role.into() };
        app.audit.read(&who, &read);
    }
    let page = app.store.messages_of_user(who.user_id, who.org_id, user, after, query.limit()).await?;
    Ok(Json(Page::of(page, |message| message)))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn a_message_is_checked() {
        let refused = |body: serde_json::Value| {
            let problem = read::<ChatMessage>(body.to_string().as_bytes()).err()?;
            Some((problem.status().as_u16(), problem.errors().first()?.pointer.clone()))
        };
        let text = |text: String| refused(serde_json::json!({"text": text}));
        assert_eq!(text("x".repeat(MAX_TEXT)), None);
        for bad in [String::new(), " \n".into(), "a\0".into(), "x".repeat(MAX_TEXT + 1), "é".repeat(MAX_TEXT)]
        {
            assert_eq!(text(bad), Some((422, "/text".into())));
        }
        let with =
            |field: &str, value: serde_json::Value| refused(serde_json::json!({"text": "a", field: value}));
        let file = id::new();
        let files = |ids: &[Uuid]| with("files", serde_json::json!(ids));
        assert_eq!((files(&[]), files(&[file])), (None, None));
        assert_eq!(files(&[file, file]), Some((422, "/files".into())), "one twice");
        let many: Vec<Uuid> = (0..6).map(|_| id::new()).collect();
        assert_eq!((files(&many[..5]), files(&many)), (None, Some((422, "/files".into()))));
        assert_eq!(refused(serde_json::json!({"files": [file]})), None, "a picture says enough");
        assert_eq!(refused(serde_json::json!({"text": " ", "files": []})), Some((422, "/text".into())));
        assert_eq!(with("session_id", "x".into()), Some((422, "/session_id".into())));
        assert_eq!(with("id", 1.into()), Some((422, "/id".into())));
        assert_eq!(with("role", "assistant".into()), Some((422, "/role".into())));
    }

    #[test]
    fn one_message_gives_one_session_and_only_to_its_author() {
        let (user, message) = (id::new(), id::new());
        let session = derived(user, message);
        assert_eq!(session, derived(user, message));
        assert_eq!(session.get_version_num(), 7);
        assert_eq!(session.as_bytes()[..6], message.as_bytes()[..6]);
        assert_ne!(session, derived(id::new(), message));
        assert_ne!(session, derived(user, id::new()));
        assert_eq!(derived(user, Uuid::new_v4()).get_version_num(), 7);
    }

    #[test]
    fn events_are_sent_to_who_asks_for_them() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(value));
            wants_events(&headers)
        };
        assert!(accepts("text/event-stream"));
        assert!(accepts("application/json;q=0.5, Text/Event-Stream;q=0.9"));
        for no in ["application/json", "*/*", "text/event-stream;q=0", "text/event-streams"] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!wants_events(&HeaderMap::new()));
    }

    #[test]
    fn an_event_is_one_line_and_a_blank_one() {
        assert_eq!(frame(&Bytes::from_static(b"{\"type\":\"X\"}")), "data: {\"type\":\"X\"}\n\n");
    }
}
