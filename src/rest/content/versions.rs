//! Its versions: those before the one that counts, and putting one back.

use axum::Json;
use axum::extract::{Path, State};
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{self, NewContent};

use super::super::input::{Id, Valid, ValidQuery, parse_id};
use super::super::page::{ListQuery, Page};
use super::wire::{Content, ContentState};
use super::{replace, writable};

/// Something that was written, as it was before a change, in a list.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Version {
    version: i32,
    title: String,
    state: ContentState,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// An older version, whole.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct OldVersion {
    #[serde(flatten)]
    about: Version,
    #[schema(required)]
    subject: Option<String>,
    #[schema(required)]
    grade_lowest: Option<i16>,
    #[schema(required)]
    grade_highest: Option<i16>,
    language: String,
    body: String,
    #[schema(required)]
    source: Option<String>,
    #[schema(required)]
    licence: Option<String>,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct Restoring {
    /// The version that counts now.
    #[garde(range(min = 1))]
    #[schema(minimum = 1)]
    version: i32,
}

impl From<store::ContentVersion> for Version {
    fn from(row: store::ContentVersion) -> Version {
        Version { version: row.version, title: row.title, state: ContentState::of(&row.state), at: row.at }
    }
}

/// Its versions, the newest first: the one that counts and up to fifty before it. For those who may change it.
#[utoipa::path(
    get, path = "/content/{id}/versions", tag = "content", params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Version>), (status = 403, description = "`forbidden`: another's"))
)]
pub(in crate::rest) async fn versions(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Version>>, Problem> {
    writable(&app, &who, content).await?;
    let page = app.store.content_versions(who.user_id, content, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, Version::from)))
}

/// An older version, whole. For those who may change it.
#[utoipa::path(
    get, path = "/content/{id}/versions/{version}", tag = "content",
    params(("id" = Uuid, Path), ("version" = i32, Path)),
    responses((status = 200, body = OldVersion), (status = 403, description = "`forbidden`: another's"))
)]
pub(in crate::rest) async fn version(
    State(app): State<App>,
    who: Principal,
    Path((content, number)): Path<(String, String)>,
) -> Result<Json<OldVersion>, Problem> {
    let (_, old) = older(&app, &who, &content, &number).await?;
    Ok(Json(OldVersion {
        about: old.version.into(),
        subject: old.subject,
        grade_lowest: old.grade_lowest,
        grade_highest: old.grade_highest,
        language: old.language,
        body: old.body,
        source: old.source,
        licence: old.licence,
    }))
}

/// Puts an older version in the place of the one that counts, which is kept: words and what is said about them.
/// For whom it is, whether it is published and what is attached stay as they are.
#[utoipa::path(
    post, path = "/content/{id}/versions/{version}/restore", tag = "content",
    params(("id" = Uuid, Path), ("version" = i32, Path)), request_body = Restoring,
    responses(
        (status = 200, body = Content),
        (status = 403, description = "`forbidden`: another's"),
        (status = 409, description = "`conflict`: it is another version by now"),
    )
)]
pub(in crate::rest) async fn restore(
    State(app): State<App>,
    who: Principal,
    Path((content, number)): Path<(String, String)>,
    Valid(restoring): Valid<Restoring>,
) -> Result<Json<Content>, Problem> {
    let (now, old) = older(&app, &who, &content, &number).await?;
    let new = NewContent {
        title: &old.version.title,
        subject: old.subject.as_deref(),
        grade_lowest: old.grade_lowest,
        grade_highest: old.grade_highest,
        language: &old.language,
        body: &old.body,
        source: old.source.as_deref(),
        licence: old.licence.as_deref(),
        published: now.state == "published",
        classes: &now.classes,
        // What is attached has no versions.
        files: None,
    };
    replace(&app, &who, (now.id, restoring.version), &new).await.map(Json)
}

async fn older(
    app: &App,
    who: &Principal,
    content: &str,
    number: &str,
) -> Result<(store::Content, store::OldContent), Problem> {
    let content = parse_id(content).ok_or_else(Problem::not_found)?;
    let now = writable(app, who, content).await?;
    let number: i32 = number.parse().map_err(|_| Problem::not_found())?;
    let old = app.store.old_content(who.user_id, content, number).await?;
    Ok((now, old.ok_or_else(Problem::not_found)?))
}
