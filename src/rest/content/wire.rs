//! Content as it goes over the wire, and how it is checked.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::protocol::Person;
use crate::store::{self, NewContent};

use super::super::input::{no_nul, not_blank, one_line};

/// The longest text, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// A body with such a text: as JSON it may be longer.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Something that was written for students, without its text.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Listed {
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
    files: Vec<AttachedFile>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A file of it: `GET /files/{id}` gives its addresses.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct AttachedFile {
    id: Uuid,
    name: String,
    media_type: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<i32>,
    reading: Reading,
    /// Once it is read: how many pages of it can be searched; of what has no pages, its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_pages: Option<i32>,
    /// There are more words than can be searched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    /// Which task reads it. For those who may change the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Uuid>,
}

/// What became of a file's words.
#[derive(Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reading {
    /// It has none that are read.
    None,
    Waiting,
    /// They are found.
    Read,
    Failed,
}

impl AttachedFile {
    fn of(row: store::ContentFile, editable: bool) -> AttachedFile {
        AttachedFile {
            id: row.id,
            name: row.name,
            media_type: row.media_type,
            size: row.size,
            pages: row.pages,
            reading: match row.reading.as_str() {
                "waiting" => Reading::Waiting,
                "read" => Reading::Read,
                "failed" => Reading::Failed,
                _ => Reading::None,
            },
            read_pages: row.read_pages,
            cut: row.cut,
            task: row.task.filter(|_| editable),
        }
    }
}

/// Something that was written for students.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Content {
    #[serde(flatten)]
    pub(super) about: Listed,
    /// CommonMark, with mathematics between `$…$` and `$$…$$`.
    pub(super) body: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::rest) enum ContentState {
    /// For those who write.
    Draft,
    Published,
}

impl ContentState {
    pub(in crate::rest) fn of(word: &str) -> ContentState {
        if word == "published" { ContentState::Published } else { ContentState::Draft }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct ContentInput {
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
    /// At most 256 KiB. May be empty where there is a file.
    #[serde(default)]
    #[garde(length(bytes, max = MAX_TEXT), custom(no_nul), custom(words_or(&self.files)))]
    #[schema(max_length = 262144)]
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
    pub(super) state: ContentState,
    /// Of those that one teaches, an admin of all; empty: the whole school.
    #[serde(default)]
    #[garde(length(max = 50))]
    #[schema(max_items = 50)]
    pub(super) classes: Vec<Uuid>,
    /// In this order: one's own, or those that it has already. What is not named is taken out, and goes unless it
    /// was sent somewhere, too. Left out: it has those that it has.
    #[serde(default)]
    #[garde(length(max = 8), custom(each_once))]
    #[schema(max_items = 8)]
    pub(super) files: Option<Vec<Uuid>>,
    /// Of a change: the version that is changed.
    #[serde(default)]
    #[garde(range(min = 1))]
    #[schema(minimum = 1)]
    pub(super) version: Option<i32>,
}

fn english() -> String {
    "en".into()
}

fn draft() -> ContentState {
    ContentState::Draft
}

fn words_or(files: &Option<Vec<Uuid>>) -> impl FnOnce(&String, &()) -> garde::Result {
    let bare = files.as_ref().is_none_or(Vec::is_empty);
    move |body, ()| match bare && body.trim().is_empty() {
        true => Err(garde::Error::new("is empty, and there is no file")),
        false => Ok(()),
    }
}

fn each_once(files: &Option<Vec<Uuid>>, (): &()) -> garde::Result {
    let files = files.as_deref().unwrap_or_default();
    match files.iter().enumerate().any(|(at, file)| files[..at].contains(file)) {
        true => Err(garde::Error::new("names a file twice")),
        false => Ok(()),
    }
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
    /// The files that it names.
    pub(super) fn named(&self) -> &[Uuid] {
        self.files.as_deref().unwrap_or_default()
    }

    pub(super) fn written(&self) -> NewContent<'_> {
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
            files: self.files.as_deref(),
        }
    }
}

impl Listed {
    pub(super) fn of(who: &Principal, row: store::Content) -> Listed {
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
            files: row.files.into_iter().map(|file| AttachedFile::of(file, row.editable)).collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::input::read;
    use super::*;
    use crate::problem::Problem;

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
            ("files", json!(["x"])),
            ("files", json!([crate::id::Uuid::nil(), crate::id::Uuid::nil()])),
            ("author_id", json!(crate::id::new())),
            ("org_id", json!(crate::id::new())),
            ("version", json!(0)),
        ] {
            let refused = with(field, bad.clone()).err();
            let refused = refused.unwrap_or_else(|| panic!("{field}: {bad} is taken"));
            assert!(refused.errors()[0].pointer.starts_with(&format!("/{field}")), "{refused:?}");
        }
        let bare = json!({"title": "x", "files": [crate::id::new()]});
        assert!(read::<ContentInput>(bare.to_string().as_bytes()).is_ok(), "a file needs no words");
        let grades = |lowest, highest| {
            let body = json!({"title": "x", "body": "x", "grade_lowest": lowest, "grade_highest": highest});
            read::<ContentInput>(body.to_string().as_bytes()).is_ok()
        };
        assert!(grades(5, 5) && grades(5, 7) && !grades(7, 5));
    }
}
