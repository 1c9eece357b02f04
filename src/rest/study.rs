//! What the model makes to practise with: the problems on a worksheet, and cards and questions of content.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::audit::Event;
use crate::auth::{self, FileAccess};
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::{FieldError, Problem};
use crate::protocol::{self, StudyItem, StudyKind};
use crate::store::{self, AskedFor, StudyChange, TasksOf};

use super::content::ContentState;
use super::input::{Id, Valid, ValidQuery, parse_id};
use super::tasks::Task;

/// The problems on a picture or a PDF, as the model read them.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Worksheet {
    /// In the order of the sheet; empty: the model found none.
    #[schema(value_type = Vec<protocol::Problem>)]
    problems: Value,
    /// The model that read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<store::Worksheet> for Worksheet {
    fn from(row: store::Worksheet) -> Worksheet {
        Worksheet { problems: row.problems, model: row.model, created_at: row.created_at }
    }
}

/// Cards or questions to practise with.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct StudySet {
    /// Another one whenever they are made anew.
    id: Uuid,
    kind: StudyKind,
    state: ContentState,
    /// The version of the content that they were made of.
    of_version: i32,
    #[schema(value_type = Vec<StudyItem>)]
    items: Value,
    /// The model that made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<store::StudySet> for StudySet {
    fn from(row: store::StudySet) -> StudySet {
        StudySet {
            id: row.id,
            kind: StudyKind::parse(&row.kind).unwrap_or(StudyKind::FlashCards),
            state: ContentState::of(&row.state),
            of_version: row.of_version,
            items: row.items,
            model: row.model,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What there is of one content: one of a kind at most.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct StudySets {
    items: Vec<StudySet>,
}

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Again {
    /// Read it once more, although there is a list.
    #[garde(skip)]
    #[serde(default)]
    #[param(default = false)]
    again: bool,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[garde(skip)]
    kind: StudyKind,
    /// How many, about.
    #[serde(default)]
    #[garde(range(min = 1, max = 30))]
    #[schema(minimum = 1, maximum = 30, default = 10)]
    count: Option<i32>,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StudyInput {
    /// The set that was read: if it was made anew meanwhile, nothing happens.
    #[serde(default)]
    #[garde(skip)]
    id: Option<Uuid>,
    #[garde(skip)]
    state: ContentState,
    /// All of them, of the kind that the address says.
    #[garde(length(min = 1, max = protocol::MAX_ITEMS))]
    #[schema(min_items = 1, max_items = 60)]
    items: Vec<StudyItem>,
}

/// Has the problems on a picture or a PDF of one's own listed by the model, in the background.
///
/// Where there is a list, it is given as it is, unless it is wanted `again`; while one is being made, its task is.
/// It is charged to the quotas like a question.
#[utoipa::path(
    post, path = "/files/{id}/worksheet", tag = "study", params(("id" = Uuid, Path), Again),
    responses(
        (status = 200, body = Worksheet, description = "There is one already"),
        (status = 202, body = Task, description = "This task makes it: watch `GET /tasks/{id}/events`"),
        (status = 403, description = "`forbidden`: another's file; `consent_required`"),
        (status = 415, description = "`unsupported_file`: neither a picture nor a PDF"),
        (status = 429, description = "`quota_exceeded`, `rate_limited`: `Retry-After` says when to come back"),
    )
)]
pub(super) async fn ask_for_worksheet(
    State(app): State<App>,
    who: Principal,
    Id(id): Id,
    ValidQuery(query): ValidQuery<Again>,
) -> Result<Response, Problem> {
    let (file, access) = app.auth.file(&who, id).await?;
    if access != FileAccess::Owner {
        return Err(auth::forbidden(&who, "file"));
    }
    if !(file.media_type.starts_with("image/") || file.media_type == "application/pdf") {
        return Err(Problem::unsupported_file().because("A worksheet is a picture or a PDF."));
    }
    if !query.again
        && let Some(row) = app.store.worksheet(who.user_id, id).await?
    {
        return Ok(Json(Worksheet::from(row)).into_response());
    }
    if !who.may_speak {
        return Err(Problem::consent_required());
    }
    app.auth.limits().make(who.user_id)?;
    match app.store.ask_for_worksheet(who.user_id, id).await? {
        None => Err(Problem::not_found()),
        Some(AskedFor::Task(task)) => accepted(&app, &who, task).await,
        Some(AskedFor::OverQuota(until)) => {
            let left = until.duration_since(clock::now()).unsigned_abs();
            let why =
                format!("The quota is used up; it starts anew at {} UTC.", until.strftime("%Y-%m-%d %H:%M"));
            Err(Problem::quota_exceeded().because(why).retry_after(left))
        }
    }
}

/// The problems on a file, once they were listed. For whoever sees the file.
#[utoipa::path(
    get, path = "/files/{id}/worksheet", tag = "study", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Worksheet),
        (status = 404, description = "`not_found`: also while there is no list"),
    )
)]
pub(super) async fn worksheet(
    State(app): State<App>,
    who: Principal,
    Id(id): Id,
) -> Result<Json<Worksheet>, Problem> {
    let (file, access) = app.auth.file(&who, id).await?;
    let row = app.store.worksheet(who.user_id, id).await?.ok_or_else(Problem::not_found)?;
    if let (FileAccess::Observer, Some(owner)) = (access, file.owner_id) {
        let read = Event::FileRead { file: id, owner, why: who.role.into() };
        app.audit.read(&who, &read);
    }
    Ok(Json(row.into()))
}

/// Has flash cards or practice questions made of some content by the model, in the background: a draft, which
/// takes the place of an older one. By whoever may write the content; charged to nobody.
#[utoipa::path(
    post, path = "/content/{id}/study", tag = "study", params(("id" = Uuid, Path)), request_body = Wanted,
    responses(
        (status = 202, body = Task, description = "This task makes it: watch `GET /tasks/{id}/events`"),
        (status = 403, description = "`forbidden`: another's content"),
        (status = 409, description = "`conflict`: such are published; take them back first"),
        (status = 429, description = "`rate_limited`"),
    )
)]
pub(super) async fn make(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
    Valid(wanted): Valid<Wanted>,
) -> Result<Response, Problem> {
    writable(&app, &who, content).await?;
    let kind = wanted.kind.as_str();
    let sets = app.store.study_sets(who.user_id, content).await?;
    if sets.iter().any(|set| set.kind == kind && set.state == "published") {
        return Err(Problem::conflict().because("Published ones are not replaced. Take them back first."));
    }
    app.auth.limits().make(who.user_id)?;
    let count = wanted.count.unwrap_or(protocol::USUAL_ITEMS);
    let task = app.store.ask_for_study(who.user_id, content, kind, count).await?;
    accepted(&app, &who, task.ok_or_else(Problem::not_found)?).await
}

/// What there is to practise with of some content: to students what is published, to those who may write it
/// all.
#[utoipa::path(
    get, path = "/content/{id}/study", tag = "study", params(("id" = Uuid, Path)),
    responses((status = 200, body = StudySets))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
) -> Result<Json<StudySets>, Problem> {
    app.store.content(who.user_id, content).await?.ok_or_else(Problem::not_found)?;
    let rows = app.store.study_sets(who.user_id, content).await?;
    Ok(Json(StudySets { items: rows.into_iter().map(StudySet::from).collect() }))
}

/// Changes what was made, publishes it or takes it back. By whoever may write the content.
#[utoipa::path(
    put, path = "/content/{id}/study/{kind}", tag = "study",
    params(("id" = Uuid, Path), ("kind" = StudyKind, Path)), request_body = StudyInput,
    responses(
        (status = 200, body = StudySet),
        (status = 403, description = "`forbidden`: another's content"),
        (status = 409, description = "`conflict`: they were made anew or deleted meanwhile"),
    )
)]
pub(super) async fn change(
    State(app): State<App>,
    who: Principal,
    Path(path): Path<(String, String)>,
    Valid(input): Valid<StudyInput>,
) -> Result<Json<StudySet>, Problem> {
    let (content, kind) = of(path)?;
    writable(&app, &who, content).await?;
    let published = input.state == ContentState::Published;
    let items = checked(input.items, kind)?;
    let change = StudyChange { kind: kind.as_str(), published, items: &items, of: input.id };
    let row = app.store.change_study(who.user_id, content, change).await?;
    let row = row.ok_or_else(|| match input.id {
        Some(_) => Problem::conflict().because("They were made anew or deleted meanwhile."),
        None => Problem::not_found(),
    })?;
    app.audit.record(&who, &Event::StudyChanged { content, kind, published });
    Ok(Json(row.into()))
}

/// Deletes what was made. By whoever may write the content.
#[utoipa::path(
    delete, path = "/content/{id}/study/{kind}", tag = "study",
    params(("id" = Uuid, Path), ("kind" = StudyKind, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`: another's content"))
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (content, kind) = of(path)?;
    writable(&app, &who, content).await?;
    if !app.store.delete_study(who.user_id, content, kind.as_str()).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::StudyDeleted { content, kind });
    Ok(StatusCode::NO_CONTENT)
}

fn of((content, kind): (String, String)) -> Result<(Uuid, StudyKind), Problem> {
    parse_id(&content).zip(StudyKind::parse(&kind)).ok_or_else(Problem::not_found)
}

async fn writable(app: &App, who: &Principal, content: Uuid) -> Result<(), Problem> {
    let (row, _) = app.store.content(who.user_id, content).await?.ok_or_else(Problem::not_found)?;
    if row.editable { Ok(()) } else { Err(auth::forbidden(who, "content")) }
}

/// As they are kept.
fn checked(items: Vec<StudyItem>, kind: StudyKind) -> Result<Value, Problem> {
    let mut kept: Vec<StudyItem> = Vec::with_capacity(items.len());
    let mut errors = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let checked = match item.kind() == kind {
            true => item.checked(),
            false => Err("is of another kind"),
        };
        match checked {
            Ok(item) => kept.push(item),
            Err(message) => {
                errors.push(FieldError { pointer: format!("/items/{at}"), message: message.to_owned() });
            }
        }
    }
    if errors.is_empty() { Ok(serde_json::json!(kept)) } else { Err(Problem::invalid(errors)) }
}

async fn accepted(app: &App, who: &Principal, task: Uuid) -> Result<Response, Problem> {
    let row = app.store.task(TasksOf::Own(who.user_id), task).await?.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(Task::from(row))).into_response())
}
