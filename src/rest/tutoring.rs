//! What tutors read and do of a session beside its socket: whispers, a raised hand, and what they think of
//! signals.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use garde::Validate;
use http::request::Parts;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::Event;
use crate::auth;
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::protocol::{ErrorCode, HandUp, Person, SignalKind, Whispered};
use crate::store::{self, MarkChange, StoreError};

use super::input::{Id, Valid, ValidQuery, given, parse_id};
use super::page::{ListQuery, Page};

/// A day.
const MOST_MINUTES: u32 = 24 * 60;
/// A child in danger is not silenced for a whole afternoon.
const MOST_MINUTES_OF_SAFETY: u32 = 60;
/// What a wall of sessions needs; older marks than these count no more.
const MARKS: usize = 1000;

/// What tutors whispered to the model in a session, the newest first. Those who watch see it; its student
/// gets a 403.
#[utoipa::path(
    get, path = "/sessions/{id}/whispers", tag = "tutoring", params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Whispered>), (status = 403, description = "`forbidden`: one's own"))
)]
pub(super) async fn whispers(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Whispered>>, Problem> {
    app.auth.watched_session(&who, session).await?;
    let page = app.store.whispers_of(who.user_id, session, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, |whisper| whisper)))
}

/// A raised hand, and who comes to it.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Claimed {
    hand: HandUp,
}

/// Comes to a raised hand, from the wall; the student is told who. Again by the same person: the same answer.
#[utoipa::path(
    post, path = "/sessions/{id}/claim", tag = "tutoring", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Claimed),
        (status = 403, description = "`forbidden`: one's own"),
        (status = 409, description = "`claimed`: somebody else is coming, `detail` says who; `no_hand`"),
    )
)]
pub(super) async fn claim(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
) -> Result<Json<Claimed>, Problem> {
    app.auth.watched_session(&who, session).await?;
    let handle = app.sessions.open(session).await?;
    let hand = handle.claim(&who).await.map_err(|refused| match refused.code {
        ErrorCode::ControlHeld => Problem::claimed().because(refused.message),
        ErrorCode::InvalidCommand => Problem::no_hand(),
        _ => refused.into(),
    })?;
    Ok(Json(Claimed { hand }))
}

/// A kind of signal on a session, from the path. What is no such kind names nothing: 404.
pub(super) struct SignalOf(Uuid, SignalKind);

impl<S: Send + Sync> FromRequestParts<S> for SignalOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((session, kind)) = path.map_err(|_| Problem::not_found())?;
        let named = parse_id(&session).zip(SignalKind::parse(&kind));
        named.map(|(session, kind)| SignalOf(session, kind)).ok_or_else(Problem::not_found)
    }
}

/// A field that is left out stays as it is.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkInput {
    /// Whether it was right to show it; `null` takes that back.
    #[serde(default, deserialize_with = "given")]
    #[garde(skip)]
    #[schema(value_type = Option<bool>)]
    useful: Option<Option<bool>>,
    /// How long one does not want to be told of it; 0: one does again. Of `safety` at most 60.
    #[serde(default)]
    #[garde(inner(range(max = MOST_MINUTES)))]
    #[schema(maximum = 1440)]
    muted_minutes: Option<u32>,
    /// `true`, of `safety` alone: somebody has seen to it. No tutor is told of what was before any more; each
    /// sees who it was.
    #[serde(default)]
    #[garde(custom(only_true))]
    dealt_with: Option<bool>,
}

fn only_true(dealt_with: &Option<bool>, (): &()) -> garde::Result {
    match dealt_with {
        Some(false) => Err(garde::Error::new("cannot be taken back")),
        _ => Ok(()),
    }
}

/// What one tutor thinks of a kind of signal on a session.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Mark {
    kind: SignalKind,
    #[schema(required)]
    useful: Option<bool>,
    /// `null`: not muted.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    muted_until: Option<Timestamp>,
    /// When one has seen to it oneself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    dealt_with_at: Option<Timestamp>,
}

impl From<store::Mark> for Mark {
    fn from(row: store::Mark) -> Mark {
        let muted_until = row.muted_until.filter(|until| *until > clock::now());
        Mark { kind: row.kind, useful: row.useful, muted_until, dealt_with_at: row.dealt_at }
    }
}

/// A mark, and on which session.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct MarkOf {
    session_id: Uuid,
    #[serde(flatten)]
    mark: Mark,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Marks {
    items: Vec<MarkOf>,
}

/// Mutes a kind of signal on a session for oneself, says whether it was useful, or that somebody has seen to
/// it, which counts for all. By those who watch.
#[utoipa::path(
    put, path = "/sessions/{id}/signals/{kind}", tag = "tutoring",
    params(("id" = Uuid, Path), ("kind" = SignalKind, Path)), request_body = MarkInput,
    responses((status = 200, body = Mark), (status = 403, description = "`forbidden`: one's own"))
)]
pub(super) async fn mark(
    State(app): State<App>,
    who: Principal,
    SignalOf(session, kind): SignalOf,
    Valid(input): Valid<MarkInput>,
) -> Result<Json<Mark>, Problem> {
    if kind == SignalKind::Safety && input.muted_minutes > Some(MOST_MINUTES_OF_SAFETY) {
        let message = format!("greater than {MOST_MINUTES_OF_SAFETY}, the most for `safety`");
        return Err(Problem::field("/muted_minutes", message));
    }
    if kind != SignalKind::Safety && input.dealt_with.is_some() {
        return Err(Problem::field("/dealt_with", "only of `safety`"));
    }
    app.auth.watched_session(&who, session).await?;
    let until = |minutes| clock::now() + SignedDuration::from_mins(i64::from(minutes));
    let change = MarkChange {
        useful: input.useful,
        muted_until: input.muted_minutes.map(|minutes| (minutes > 0).then(|| until(minutes))),
        dealt_with: input.dealt_with.is_some(),
    };
    let mark = match app.store.mark_signal(who.user_id, session, kind, change).await {
        // Row level security, when the right to watch has ended in this moment.
        Err(StoreError::Missing) => None,
        other => other?,
    };
    let mark = mark.ok_or_else(Problem::not_found)?;
    if let Some(at) = mark.dealt_at.filter(|_| change.dealt_with) {
        app.audit.record(&who, &Event::SignalDealtWith { session, kind: kind.as_str() });
        let by = Person { id: who.user_id, name: who.name.clone() };
        app.sessions.dealt_with(session, by, at).await;
    }
    Ok(Json(mark.into()))
}

/// What one has muted or marked oneself, on all sessions that one watches, the newest first.
#[utoipa::path(
    get, path = "/observe/marks", tag = "tutoring",
    responses((status = 200, body = Marks), (status = 403, description = "`forbidden`: students"))
)]
pub(super) async fn marks(State(app): State<App>, who: Principal) -> Result<Json<Marks>, Problem> {
    auth::staff(&who)?;
    let rows = app.store.marks_of(who.user_id, MARKS).await?;
    let items = rows.into_iter().map(|row| MarkOf { session_id: row.session, mark: row.into() });
    Ok(Json(Marks { items: items.collect() }))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn a_mark_is_checked() {
        let good = |body: &str| read::<MarkInput>(body.as_bytes()).is_ok();
        for body in
            ["{}", r#"{"useful":null}"#, r#"{"dealt_with":true}"#, r#"{"useful":false,"muted_minutes":1440}"#]
        {
            assert!(good(body), "{body}");
        }
        for body in [
            r#"{"useful":"yes"}"#,
            r#"{"muted_minutes":1441}"#,
            r#"{"muted_minutes":-1}"#,
            r#"{"muted_minutes":1.5}"#,
            r#"{"muted_until":"2030-01-01T00:00:00Z"}"#,
            r#"{"user_id":"x"}"#,
            r#"{"dealt_with":false}"#,
        ] {
            assert!(!good(body), "{body}");
        }
    }
}
