//! What tutors write for students: reading it, writing it, its versions, and finding words in it.

use axum::Json;
use axum::extract::{Path, State};
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::Event;
use crate::auth;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::protocol::Person;
use crate::store::{self, ContentFilter, ContentPlace, ContentQuery, NewContent};

use super::input::{Id, Valid, ValidQuery, no_nul, not_blank, one_line, parse_id};
use super::page::{ListQuery, Page, Search};

/// The longest text, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// A body with such a text: as JSON it may be longer.
const MAX_BODY: usize = 1024 * 1024;

/// Something that was written for students, without its text.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Listed {
    id: Uuid,
    title: String,
    #[schema(required)]
    subject: Option<String>,
    /// The lowest school year that it is for.
    #[schema(required)]
    grade_lowest: Option<i16>,
    #[schema(required)]
    grade_highest: Option<i16>,
    /// As in HTML's `lang`: `en`, `de-AT`.
    language: String,
    /// Where it is from.
    #[schema(required)]
    source: Option<String>,
    #[schema(required)]
    licence: Option<String>,
    state: ContentState,
    /// Whose it is; empty: the whole school's. For those who may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<Uuid>>,
    /// Rises with every change; a change names the one that it changes.
    version: i32,
    /// `null`: their account is gone. For those who write.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<Option<Person>>,
    /// Whether whoever asks may change it.
    editable: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Something that was written for students.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Content {
    #[serde(flatten)]
    about: Listed,
    /// CommonMark, with mathematics between `$…$` and `$$…$$`.
    body: String,
}

/// Something that holds the words which were looked for.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Found {
    #[serde(flatten)]
    about: Listed,
    /// Where they stand: plain text in pieces, one after the other.
    excerpt: Vec<Piece>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Piece {
    text: String,
    /// It is what was looked for.
    hit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContentState {
    /// For those who write.
    Draft,
    Published,
}

impl ContentState {
    pub(super) fn of(word: &str) -> ContentState {
        if word == "published" { ContentState::Published } else { ContentState::Draft }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentInput {
    #[garde(length(chars, min = 1, max = 200), custom(not_blank), custom(one_line))]
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 100), inner(custom(not_blank)), inner(custom(one_line)))]
    #[schema(min_length = 1, max_length = 100)]
    subject: Option<String>,
    #[serde(default)]
    #[garde(range(min = 0, max = 20), custom(in_order(&self.grade_highest)))]
    #[schema(minimum = 0, maximum = 20)]
    grade_lowest: Option<i16>,
    #[serde(default)]
    #[garde(range(min = 0, max = 20))]
    #[schema(minimum = 0, maximum = 20)]
    grade_highest: Option<i16>,
    #[serde(default = "english")]
    #[garde(custom(good_language))]
    #[schema(pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$", default = "en")]
    language: String,
    /// At most 256 KiB.
    #[garde(length(bytes, min = 1, max = MAX_TEXT), custom(not_blank), custom(no_nul))]
    #[schema(min_length = 1, max_length = 262144)]
    body: String,
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 500), inner(custom(not_blank)), inner(custom(one_line)))]
    #[schema(min_length = 1, max_length = 500)]
    source: Option<String>,
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 100), inner(custom(not_blank)), inner(custom(one_line)))]
    #[schema(min_length = 1, max_length = 100)]
    licence: Option<String>,
    #[serde(default = "draft")]
    #[garde(skip)]
    #[schema(default = "draft")]
    state: ContentState,
    /// Of those that one teaches, an admin of all; empty: the whole school.
    #[serde(default)]
    #[garde(length(max = 50))]
    #[schema(max_items = 50)]
    classes: Vec<Uuid>,
    /// Of a change: the version that is changed.
    #[serde(default)]
    #[garde(range(min = 1))]
    #[schema(minimum = 1)]
    version: Option<i32>,
}

fn english() -> String {
    "en".into()
}

fn draft() -> ContentState {
    ContentState::Draft
}

fn in_order(highest: &Option<i16>) -> impl FnOnce(&Option<i16>, &()) -> garde::Result {
    let highest = *highest;
    move |lowest, ()| match lowest.zip(highest) {
        Some((lowest, highest)) if lowest > highest => Err(garde::Error::new("is above grade_highest")),
        _ => Ok(()),
    }
}

fn good_language(text: &str, (): &()) -> garde::Result {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let good = matches!(first.len(), 2 | 3) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let rest: Vec<&str> = parts.collect();
    let subtag = |part: &&str| matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if good && rest.len() <= 3 && rest.iter().all(subtag) {
        return Ok(());
    }
    Err(garde::Error::new("is no language such as `en` or `de-AT`"))
}

impl ContentInput {
    fn written(&self) -> NewContent<'_> {
        NewContent {
            title: self.title.trim(),
            subject: self.subject.as_deref().map(str::trim),
            grade_lowest: self.grade_lowest,
            grade_highest: self.grade_highest,
            language: &self.language,
            body: &self.body,
            source: self.source.as_deref().map(str::trim),
            licence: self.licence.as_deref().map(str::trim),
            published: self.state == ContentState::Published,
            classes: &self.classes,
        }
    }
}

#[derive(Debug, Default, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentList {
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

/// Something that was written, as it was before a change, in a list.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Version {
    version: i32,
    title: String,
    state: ContentState,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// An older version, whole.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct OldVersion {
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
pub(super) struct Restoring {
    /// The version that counts now.
    #[garde(range(min = 1))]
    #[schema(minimum = 1)]
    version: i32,
}

impl Listed {
    fn of(who: &Principal, row: store::Content) -> Listed {
        let writes = who.role != Role::Student;
        Listed {
            id: row.id,
            title: row.title,
            subject: row.subject,
            grade_lowest: row.grade_lowest,
            grade_highest: row.grade_highest,
            language: row.language,
            source: row.source,
            licence: row.licence,
            state: ContentState::of(&row.state),
            classes: row.editable.then_some(row.classes),
            version: row.version,
            author: writes.then_some(row.author),
            editable: row.editable,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<store::ContentVersion> for Version {
    fn from(row: store::ContentVersion) -> Version {
        Version { version: row.version, title: row.title, state: ContentState::of(&row.state), at: row.at }
    }
}

/// What was written for whoever asks, the newest first. A student sees what is published for the whole school
/// or for a class of theirs; a tutor all that is published, their own drafts and those for the classes that they
/// teach; an admin everything of the organisation.
#[utoipa::path(
    get, path = "/content", tag = "content", params(ContentList),
    responses((status = 200, body = Page<Listed>))
)]
pub(super) async fn list(
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

/// What of it holds some words, the best first. Words are found in other forms of theirs where the text's
/// language has rules for that; `"…"` asks for a phrase, `or` for one of two, `-` for what is without a word.
#[utoipa::path(
    post, path = "/content/search", tag = "content", request_body = Search,
    responses((status = 200, body = Page<Found>))
)]
pub(super) async fn search(
    State(app): State<App>,
    who: Principal,
    Valid(search): Valid<Search>,
) -> Result<Json<Page<Found>>, Problem> {
    let after: Option<ContentPlace> = search.after()?;
    let query =
        ContentQuery { words: search.words(), any_word: false, subject: None, grade: None, published: false };
    let page = app.store.search_content(who.user_id, query, after, search.limit()).await?;
    Ok(Json(Page::of(page, |row| {
        let pieces = row.excerpt.into_iter().map(|piece| Piece { text: piece.text, hit: piece.hit });
        Found { about: Listed::of(&who, row.content), excerpt: pieces.collect() }
    })))
}

/// Writes something for students. By tutors and admins.
#[utoipa::path(
    post, path = "/content", tag = "content", request_body = ContentInput,
    responses((status = 201, body = Content), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn create(
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
pub(super) async fn get(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
) -> Result<Json<Content>, Problem> {
    read(&app, &who, content).await.map(Json)
}

/// Writes it anew, whole; what is left out is cleared. By its author, while they are a tutor, and by admins.
/// `version` is the one that was read: if somebody else was faster, nothing happens.
#[utoipa::path(
    put, path = "/content/{id}", tag = "content", params(("id" = Uuid, Path)), request_body = ContentInput,
    responses(
        (status = 200, body = Content),
        (status = 403, description = "`forbidden`: another's"),
        (status = 409, description = "`conflict`: it is another version by now"),
    )
)]
pub(super) async fn change(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
    Valid(input): Valid<ContentInput, MAX_BODY>,
) -> Result<Json<Content>, Problem> {
    let version = input.version.ok_or_else(|| Problem::field("/version", "is required"))?;
    writable(&app, &who, content).await?;
    known_classes(&app, &who, &input.classes).await?;
    replace(&app, &who, (content, version), &input.written()).await.map(Json)
}

/// Deletes it with all its versions. By its author, while they are a tutor, and by admins.
#[utoipa::path(
    delete, path = "/content/{id}", tag = "content", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`: another's"))
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(content): Id,
) -> Result<StatusCode, Problem> {
    writable(&app, &who, content).await?;
    if !app.store.delete_content(who.user_id, content).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::ContentDeleted { content });
    Ok(StatusCode::NO_CONTENT)
}

/// Its versions, the newest first: the one that counts and up to fifty before it. For those who may change it.
#[utoipa::path(
    get, path = "/content/{id}/versions", tag = "content", params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Version>), (status = 403, description = "`forbidden`: another's"))
)]
pub(super) async fn versions(
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
pub(super) async fn version(
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
/// For whom it is and whether it is published stay as they are.
#[utoipa::path(
    post, path = "/content/{id}/versions/{version}/restore", tag = "content",
    params(("id" = Uuid, Path), ("version" = i32, Path)), request_body = Restoring,
    responses(
        (status = 200, body = Content),
        (status = 403, description = "`forbidden`: another's"),
        (status = 409, description = "`conflict`: it is another version by now"),
    )
)]
pub(super) async fn restore(
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
    };
    replace(&app, &who, (now.id, restoring.version), &new).await.map(Json)
}

async fn read(app: &App, who: &Principal, content: Uuid) -> Result<Content, Problem> {
    let row = app.store.content(who.user_id, content).await?;
    let (row, body) = row.ok_or_else(Problem::not_found)?;
    Ok(Content { about: Listed::of(who, row), body })
}

/// Under the version that was read, and no other.
async fn replace(
    app: &App,
    who: &Principal,
    (content, version): (Uuid, i32),
    new: &NewContent<'_>,
) -> Result<Content, Problem> {
    if !app.store.change_content(who.user_id, content, version, new).await? {
        let now = writable(app, who, content).await?.version;
        return Err(Problem::conflict().because(format!("Somebody was faster: it is version {now} by now.")));
    }
    app.audit.record(who, &Event::ContentChanged { content, published: new.published });
    read(app, who, content).await
}

/// That it is theirs to change.
async fn writable(app: &App, who: &Principal, content: Uuid) -> Result<store::Content, Problem> {
    let row = app.store.content(who.user_id, content).await?;
    let (row, _) = row.ok_or_else(Problem::not_found)?;
    if row.editable { Ok(row) } else { Err(auth::forbidden(who, "content")) }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::input::read;
    use super::*;

    fn with(field: &str, value: Value) -> Result<ContentInput, Problem> {
        let mut body = json!({"title": "Halves", "body": "A half is $\\frac{1}{2}$."});
        body[field] = value;
        read(body.to_string().as_bytes())
    }

    #[test]
    fn what_is_written_is_checked() {
        let long = "x".repeat(MAX_TEXT);
        for (field, good) in [
            ("title", json!("Brüche")),
            ("subject", json!("Maths")),
            ("grade_lowest", json!(0)),
            ("language", json!("de-AT")),
            ("language", json!("zh-Hant-TW")),
            ("body", json!(long)),
            ("state", json!("published")),
            ("classes", json!([crate::id::new()])),
        ] {
            assert!(with(field, good.clone()).is_ok(), "{field}: {good}");
        }
        for (field, bad) in [
            ("title", json!(" ")),
            ("title", json!("a\nb")),
            ("title", json!("x".repeat(201))),
            ("subject", json!("")),
            ("grade_lowest", json!(-1)),
            ("grade_highest", json!(21)),
            ("language", json!("english")),
            ("language", json!("")),
            ("language", json!("e1")),
            ("body", json!("")),
            ("body", json!(format!("{long}x"))),
            ("body", json!("a\0")),
            ("state", json!("hidden")),
            ("classes", json!(["x"])),
            ("author_id", json!(crate::id::new())),
            ("org_id", json!(crate::id::new())),
            ("version", json!(0)),
        ] {
            let refused = with(field, bad.clone()).err();
            let refused = refused.unwrap_or_else(|| panic!("{field}: {bad} is taken"));
            assert!(refused.errors()[0].pointer.starts_with(&format!("/{field}")), "{refused:?}");
        }
        let grades = |lowest, highest| {
            let body = json!({"title": "x", "body": "x", "grade_lowest": lowest, "grade_highest": highest});
            read::<ContentInput>(body.to_string().as_bytes()).is_ok()
        };
        assert!(grades(5, 5) && grades(5, 7) && !grades(7, 5));
    }
}
