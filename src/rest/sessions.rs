//! Sessions and their messages.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::{App, blobs_are_gone};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Access, Principal};
use crate::problem::Problem;
use crate::protocol::Message;
use crate::session::Names;
use crate::store::{self, Listed, MessagesFrom, NewSession, SessionChange};

use super::input::{Id, Valid, ValidQuery, given, one_line};
use super::page::{ListQuery, Page, Search};

/// One tutoring conversation of one student.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Session {
    id: Uuid,
    #[schema(required)]
    title: Option<String>,
    #[schema(required)]
    subject: Option<String>,
    student_id: Uuid,
    /// Who answers: `ai` or `tutor`.
    control: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When something was said or changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<store::Session> for Session {
    fn from(row: store::Session) -> Session {
        Session {
            id: row.id,
            title: row.title,
            subject: row.subject,
            student_id: row.student_id,
            control: row.control,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// In a change, a field that is left out stays as it is and `null` clears it.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionInput {
    #[serde(default, deserialize_with = "given")]
    #[garde(custom(good_title))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    title: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[garde(custom(good_subject))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    subject: Option<Option<String>>,
}

fn good_title(text: &Option<Option<String>>, context: &()) -> garde::Result {
    line(text, 200, context)
}

fn good_subject(text: &Option<Option<String>>, context: &()) -> garde::Result {
    line(text, 100, context)
}

fn line(text: &Option<Option<String>>, most: usize, context: &()) -> garde::Result {
    let Some(Some(text)) = text else { return Ok(()) };
    if text.trim().is_empty() {
        return Err(garde::Error::new("is empty"));
    }
    if text.chars().count() > most {
        return Err(garde::Error::new(format!("length is greater than {most}")));
    }
    one_line(text, context)
}

/// The sessions that one may see, the last changed first: one's own, a tutor's students', and to an admin
/// the organisation's.
///
/// What is said or changed in a session while the list is paged moves it away from its place. Such
/// sessions come on the last page (and further ones, if they are many), the last changed last: none is
/// missed, and one that an earlier page had comes once more, as it is now. A client keeps the later of
/// the two and sorts by `updated_at`.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(ListQuery),
    responses((status = 200, body = Page<Session>))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Session>>, Problem> {
    let after: Option<Listed> = query.after()?;
    let of = app.auth.sessions_of(&who);
    let page = app.store.list_sessions(who.user_id, of, None, after, query.limit()).await?;
    Ok(Json(Page::of(page, Session::from)))
}

/// Those of the sessions that one may see whose title or subject holds some words, in the order and the pages
/// of `GET /sessions`.
#[utoipa::path(
    post, path = "/sessions/search", tag = "sessions", request_body = Search,
    responses((status = 200, body = Page<Session>))
)]
pub(super) async fn search(
    State(app): State<App>,
    who: Principal,
    Valid(search): Valid<Search>,
) -> Result<Json<Page<Session>>, Problem> {
    let after: Option<Listed> = search.after()?;
    let of = app.auth.sessions_of(&who);
    let page = app.store.list_sessions(who.user_id, of, Some(search.words()), after, search.limit()).await?;
    Ok(Json(Page::of(page, Session::from)))
}

/// A new session of whoever asks: they are its student, whatever their role.
#[utoipa::path(
    post, path = "/sessions", tag = "sessions", request_body = SessionInput,
    responses((status = 201, body = Session))
)]
pub(super) async fn create(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<SessionInput>,
) -> Result<(StatusCode, Json<Session>), Problem> {
    let title = input.title.flatten();
    let subject = input.subject.flatten();
    let new = NewSession { student_id: who.user_id, title: title.as_deref(), subject: subject.as_deref() };
    let row = app.store.create_session(new).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// One session.
#[utoipa::path(
    get, path = "/sessions/{id}", tag = "sessions", params(("id" = Uuid, Path)),
    responses((status = 200, body = Session))
)]
pub(super) async fn get(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
) -> Result<Json<Session>, Problem> {
    let (row, _) = app.auth.access(&who, session).await?;
    Ok(Json(row.into()))
}

/// Changes the title or the subject. By its owner alone.
#[utoipa::path(
    patch, path = "/sessions/{id}", tag = "sessions", params(("id" = Uuid, Path)), request_body = SessionInput,
    responses((status = 200, body = Session), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn change(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
    Valid(input): Valid<SessionInput>,
) -> Result<Json<Session>, Problem> {
    app.auth.own_session(&who, session).await?;
    let change = SessionChange {
        title: input.title.as_ref().map(Option::as_deref),
        subject: input.subject.as_ref().map(Option::as_deref),
    };
    let row = app.store.change_session(who.user_id, session, change).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let title = input.title.map(|_| row.title.clone());
    let subject = input.subject.map(|_| row.subject.clone());
    app.sessions.named(session, who.org_id, Names { title, subject }).await;
    Ok(Json(row.into()))
}

/// Deletes a session with all its messages. By its owner alone.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
) -> Result<StatusCode, Problem> {
    app.auth.own_session(&who, session).await?;
    app.sessions.delete(who.user_id, who.org_id, session).await?;
    blobs_are_gone(&app);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// Instead of a cursor: the page that ends right before this message.
    #[garde(custom(not_with_cursor(&self.cursor)))]
    before: Option<Uuid>,
}

fn not_with_cursor(cursor: &Option<String>) -> impl FnOnce(&Option<Uuid>, &()) -> garde::Result + '_ {
    move |before, ()| match (before, cursor) {
        (Some(_), Some(_)) => Err(garde::Error::new("cannot be given together with `cursor`")),
        _ => Ok(()),
    }
}

/// The messages of a session, oldest first, and last those that wait for their run (`queued`). When
/// its run begins such a message takes its place in the conversation, and a later page lists it there,
/// once more if need be. Superseded messages are left out.
#[utoipa::path(
    get, path = "/sessions/{id}/messages", tag = "sessions", params(("id" = Uuid, Path), MessagesQuery),
    responses((status = 200, body = Page<Message>))
)]
pub(super) async fn messages(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
    ValidQuery(query): ValidQuery<MessagesQuery>,
) -> Result<Json<Page<Message>>, Problem> {
    if let (row, Access::Observer) = app.auth.access(&who, session).await? {
        let (session, student, why) = (Some(session), row.student_id, who.role.into());
        app.audit.read(&who, &Event::ConversationRead { session, student, why });
    }
    let list = ListQuery { limit: query.limit, cursor: query.cursor };
    let from = match (query.before, list.after()?) {
        (Some(before), _) => MessagesFrom::Before(before),
        (None, Some(reached)) => MessagesFrom::After(reached),
        (None, None) => MessagesFrom::Start,
    };
    let mut page = app.store.list_messages(who.user_id, session, from, list.limit()).await?;
    if query.before.is_some() {
        // A cursor goes forward only; whoever goes back asks before the oldest that they have.
        page.next = None;
    }
    Ok(Json(Page::of(page, |message| message)))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn a_session_is_checked() {
        let good = |body: &str| read::<SessionInput>(body.as_bytes()).is_ok();
        assert!(good("{}"));
        assert!(good(r#"{"title":null,"subject":"Algebra"}"#));
        assert!(good(&format!(r#"{{"title":"{}"}}"#, "ü".repeat(200))));
        for bad in [r#"{"title":""}"#, r#"{"title":" "}"#, r#"{"title":"a\nb"}"#, r#"{"title":"a\u0000"}"#] {
            assert!(!good(bad), "{bad}");
        }
        assert!(!good(&format!(r#"{{"title":"{}"}}"#, "x".repeat(201))));
        for field in ["student_id", "id", "control", "created_at"] {
            assert!(!good(&format!(r#"{{"{field}":"x"}}"#)), "{field}");
        }
    }
}
