//! Reading it and writing it.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;

use crate::app::{App, blobs_are_gone};
use crate::audit::Event;
use crate::auth;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::store::ContentFilter;

use super::super::input::{Id, Valid, ValidQuery, no_nul};
use super::super::page::{ListQuery, Page};
use super::wire::{Content, ContentInput, ContentState, Listed, MAX_BODY};
use super::{read, replace, writable};

#[derive(Debug, Default, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct ContentList {
    /// Of this subject, in any case.
    #[garde(length(chars, min = 1, max = 100), inner(custom(no_nul)))]
    #[param(min_length = 1, max_length = 100)]
    subject: Option<String>,
    /// For this school year, among others.
    #[garde(range(min = 0, max = 20))]
    #[param(minimum = 0, maximum = 20)]
    grade: Option<i16>,
    #[garde(custom(a_state))]
    #[param(value_type = Option<ContentState>)]
    state: Option<String>,
    /// Items per page.
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

fn a_state(word: &Option<String>, (): &()) -> garde::Result {
    match word.as_deref() {
        None | Some("draft" | "published") => Ok(()),
        Some(_) => Err(garde::Error::new("is neither `draft` nor `published`")),
    }
}

/// What was written for whoever asks, the newest first. A student sees what is published for the whole school
/// or for a class of theirs; a tutor all that is published, their own drafts and those for the classes that they
/// teach; an admin everything of the organisation.
#[utoipa::path(
    get, path = "/content", tag = "content", params(ContentList),
    responses((status = 200, body = Page<Listed>))
)]
pub(in crate::rest) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ContentList>,
) -> Result<Json<Page<Listed>>, Problem> {
    let filter = ContentFilter {
        subject: query.subject.as_deref().map(str::trim),
        grade: query.grade,
        state: query.state.as_deref(),
    };
    let pages = ListQuery { limit: query.limit, cursor: query.cursor };
    let page = app.store.list_content(who.user_id, filter, pages.after()?, pages.limit()).await?;
    Ok(Json(Page::of(page, |row| Listed::of(&who, row))))
}

/// Writes something for students. By tutors and admins. The words of attached documents are read in the background.
#[utoipa::path(
    post, path = "/content", tag = "content", request_body = ContentInput,
    responses((status = 201, body = Content), (status = 403, description = "`forbidden`"))
)]
pub(in crate::rest) async fn create(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<ContentInput, MAX_BODY>,
) -> Result<(StatusCode, Json<Content>), Problem> {
    if who.role == Role::Student {
        return Err(auth::forbidden(&who, "content"));
    }
    if input.version.is_some() {
        return Err(Problem::field("/version", "is not known here"));
    }
    known_classes(&app, &who, &input.classes).await?;
    fit_files(&app, &who, None, input.named()).await?;
    let made = app.store.add_content(who.user_id, &input.written(), None).await?;
    let content = made.ok_or_else(|| auth::forbidden(&who, "content"))?;
    let published = input.state == ContentState::Published;
    app.audit.record(&who, &Event::ContentCreated { content, published });
    Ok((StatusCode::CREATED, Json(read(&app, &who, content).await?)))
}

/// Something that was written, whole.
#[utoipa::path(
    get, path = "/content/{id}", tag = "content", params(("id" = Uuid, Path)),
    responses((status = 200, body = Content))
)]
pub(in crate::rest) async fn get(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
) -> Result<Json<Content>, Problem> {
    read(&app, &who, content).await.map(Json)
}

/// Writes it anew, whole; what is left out is cleared, but for its files. By its author, while they are a tutor, and by admins.
/// `version` is the one that was read: if somebody else was faster, nothing happens.
#[utoipa::path(
    put, path = "/content/{id}", tag = "content", params(("id" = Uuid, Path)), request_body = ContentInput,
    responses(
        (status = 200, body = Content),
        (status = 403, description = "`forbidden`: another's"),
        (status = 409, description = "`conflict`: it is another version by now"),
    )
)]
pub(in crate::rest) async fn change(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
    Valid(input): Valid<ContentInput, MAX_BODY>,
) -> Result<Json<Content>, Problem> {
    let version = input.version.ok_or_else(|| Problem::field("/version", "is required"))?;
    writable(&app, &who, content).await?;
    known_classes(&app, &who, &input.classes).await?;
    fit_files(&app, &who, Some(content), input.named()).await?;
    let changed = replace(&app, &who, (content, version), &input.written()).await?;
    blobs_are_gone(&app);
    Ok(Json(changed))
}

/// Deletes it with all its versions and files. By its author, while they are a tutor, and by admins.
#[utoipa::path(
    delete, path = "/content/{id}", tag = "content", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`: another's"))
)]
pub(in crate::rest) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
) -> Result<StatusCode, Problem> {
    writable(&app, &who, content).await?;
    if !app.store.delete_content(who.user_id, content).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::ContentDeleted { content });
    blobs_are_gone(&app);
    Ok(StatusCode::NO_CONTENT)
}

/// That each is one which they may write for.
async fn known_classes(app: &App, who: &Principal, classes: &[Uuid]) -> Result<(), Problem> {
    if classes.is_empty() {
        return Ok(());
    }
    let mine = app.store.classes_to_write_for(who.user_id, classes).await?;
    match classes.iter().position(|class| !mine.contains(class)) {
        None => Ok(()),
        Some(at) => Err(Problem::field(format!("/classes/{at}"), "is no class that you may write for")),
    }
}

/// That each is one which they may attach.
async fn fit_files(app: &App, who: &Principal, content: Option<Uuid>, files: &[Uuid]) -> Result<(), Problem> {
    if files.is_empty() {
        return Ok(());
    }
    match app.store.unfit_content_file(who.user_id, content, files).await? {
        None => Ok(()),
        Some(at) => Err(Problem::field(
            format!("/files/{at}"),
            "is no file of yours, or is attached to something else",
        )),
    }
}
