//! What tutors write for students: content, its older versions, and looking things up in it.

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::protocol::Person;

use super::pages::ContentFile;
use super::sessions::{count, one_more, page};
use super::{Page, Store, StoreError};

/// What stands around a word that was found, in what PostgreSQL gives: the query takes both out of the text.
const MARKS: [char; 2] = ['\u{e000}', '\u{e001}'];

/// Content without its body.
#[derive(Clone, Debug)]
pub struct Content {
    pub id: Uuid,
    pub title: String,
    pub subject: Option<String>,
    pub grade_lowest: Option<i16>,
    pub grade_highest: Option<i16>,
    pub language: String,
    pub source: Option<String>,
    pub licence: Option<String>,
    /// `draft` or `published`.
    pub state: String,
    /// Whose it is, to those who may change it; empty: the whole school's.
    pub classes: Vec<Uuid>,
    pub version: i32,
    /// To those who write; `None`: their account is gone.
    pub author: Option<Person>,
    /// Whether whoever asked may change it.
    pub editable: bool,
    pub files: Vec<ContentFile>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What somebody writes.
#[derive(Clone, Copy, Debug)]
pub struct NewContent<'a> {
    pub title: &'a str,
    pub subject: Option<&'a str>,
    pub grade_lowest: Option<i16>,
    pub grade_highest: Option<i16>,
    pub language: &'a str,
    pub body: &'a str,
    pub source: Option<&'a str>,
    pub licence: Option<&'a str>,
    pub published: bool,
    pub classes: &'a [Uuid],
    /// These and no others; `None`: as they are.
    pub files: Option<&'a [Uuid]>,
}

/// Which content a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContentFilter<'a> {
    pub subject: Option<&'a str>,
    pub grade: Option<i16>,
    pub state: Option<&'a str>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct ContentQuery<'a> {
    pub words: &'a str,
    /// One of the words is enough.
    pub any_word: bool,
    pub subject: Option<&'a str>,
    pub grade: Option<i16>,
    /// Nothing that is still being written.
    pub published: bool,
}

/// How well it fits, and which one it is.
pub type ContentPlace = (f32, Uuid);

#[derive(Clone, Debug)]
pub struct FoundContent {
    pub content: Content,
    /// Where the words stand: a file of it and a page of that, unless it is the content itself.
    pub page: Option<(Uuid, i32)>,
    pub excerpt: Vec<Piece>,
    rank: f32,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    /// It is what was looked for.
    pub hit: bool,
}

/// A version in a list.
#[derive(Clone, Debug)]
pub struct ContentVersion {
    pub version: i32,
    pub title: String,
    pub state: String,
    pub at: Timestamp,
}

/// An older version, whole.
#[derive(Clone, Debug)]
pub struct OldContent {
    pub version: ContentVersion,
    pub subject: Option<String>,
    pub grade_lowest: Option<i16>,
    pub grade_highest: Option<i16>,
    pub language: String,
    pub body: String,
    pub source: Option<String>,
    pub licence: Option<String>,
}

impl Store {
    /// With its body. `None`: there is none that they may see.
    pub async fn content(&self, who: Uuid, id: Uuid) -> Result<Option<(Content, String)>, StoreError> {
        let sql = include_str!("../../sql/queries/content_get.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&id, Type::UUID)]).await?;
        row.map(|row| Ok((content(&row)?, row.try_get("body")?))).transpose()
    }

    /// The newest first.
    pub async fn list_content(
        &self,
        who: Uuid,
        filter: ContentFilter<'_>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Content, Uuid>, StoreError> {
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/content_list.sql"),
                &[
                    (&who, Type::UUID),
                    (&filter.subject, Type::TEXT),
                    (&filter.grade, Type::INT2),
                    (&filter.state, Type::TEXT),
                    (&after, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, content, |last| last.id)
    }

    /// The best first.
    pub async fn search_content(
        &self,
        who: Uuid,
        query: ContentQuery<'_>,
        after: Option<ContentPlace>,
        limit: usize,
    ) -> Result<Page<FoundContent, ContentPlace>, StoreError> {
        let (rank, id) = after.unzip();
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/content_search.sql"),
                &[
                    (&who, Type::UUID),
                    (&query.words, Type::TEXT),
                    (&query.any_word, Type::BOOL),
                    (&query.subject, Type::TEXT),
                    (&query.grade, Type::INT2),
                    (&query.published, Type::BOOL),
                    (&rank, Type::FLOAT4),
                    (&id, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, found, |last| (last.rank, last.content.id))
    }

    /// Whether there is published content that they see.
    pub async fn has_content(&self, who: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/content_any.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID)]).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get("any")?))
    }

    /// Those of these classes that this person may write content for.
    pub async fn classes_to_write_for(&self, who: Uuid, classes: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/content_classes_mine.sql");
        let rows = self.as_user(who).read(sql, &[(&who, Type::UUID), (&classes, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// `imported`: the digest of what it was made of. `None`: that was imported before, or they may not.
    pub async fn add_content(
        &self,
        who: Uuid,
        new: &NewContent<'_>,
        imported: Option<&str>,
    ) -> Result<Option<Uuid>, StoreError> {
        let id = id::new();
        let bound = Bound::of(id, who, new);
        let mut params = bound.params();
        params.push((&imported, Type::TEXT));
        let added =
            self.as_user(who).execute(include_str!("../../sql/queries/content_add.sql"), &params).await?;
        Ok((added > 0).then_some(id))
    }

    /// Whether a file with this digest was imported, as far as they see.
    pub async fn content_is_imported(&self, who: Uuid, digest: &str) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/content_imported.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&digest, Type::TEXT)]).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get("known")?))
    }

    /// Only if this version still counts. False: it does not, or it is not theirs.
    pub async fn change_content(
        &self,
        who: Uuid,
        id: Uuid,
        version: i32,
        new: &NewContent<'_>,
    ) -> Result<bool, StoreError> {
        let bound = Bound::of(id, who, new);
        let mut params = bound.params();
        params.push((&version, Type::INT4));
        let sql = include_str!("../../sql/queries/content_change.sql");
        let changed = self.as_user(who).execute(sql, &params).await?;
        Ok(changed > 0)
    }

    /// With all its versions. False when there was none of theirs.
    pub async fn delete_content(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/content_delete.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID), (&who, Type::UUID)]).await? > 0)
    }

    /// The newest first, the one that counts among them; for whoever may write it.
    pub async fn content_versions(
        &self,
        who: Uuid,
        id: Uuid,
        before: Option<i32>,
        limit: usize,
    ) -> Result<Page<ContentVersion, i32>, StoreError> {
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/content_versions.sql"),
                &[
                    (&who, Type::UUID),
                    (&id, Type::UUID),
                    (&before, Type::INT4),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, version, |last| last.version)
    }

    /// An older version, for whoever may write it.
    pub async fn old_content(
        &self,
        who: Uuid,
        id: Uuid,
        number: i32,
    ) -> Result<Option<OldContent>, StoreError> {
        let sql = include_str!("../../sql/queries/content_version.sql");
        let params = [(&who as _, Type::UUID), (&id as _, Type::UUID), (&number as _, Type::INT4)];
        let row = self.as_user(who).read_opt(sql, &params).await?;
        row.as_ref().map(old).transpose()
    }

    /// What somebody wrote, for what is handed out to them.
    pub async fn export_content(
        &self,
        who: Uuid,
        of: Uuid,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<Value>, StoreError> {
        let sql = include_str!("../../sql/queries/export_content.sql");
        let params = [(&of as _, Type::UUID), (&after as _, Type::UUID), (&count(most) as _, Type::INT8)];
        self.as_user(who).read(sql, &params).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// What adding and changing have in common.
struct Bound<'a> {
    id: Uuid,
    who: Uuid,
    new: &'a NewContent<'a>,
    state: &'static str,
    now: Timestamp,
    /// Ids of the tasks that read what is attached, one for each file.
    readers: Vec<Uuid>,
}

impl<'a> Bound<'a> {
    fn of(id: Uuid, who: Uuid, new: &'a NewContent<'a>) -> Bound<'a> {
        let state = if new.published { "published" } else { "draft" };
        let readers = new.files.unwrap_or_default().iter().map(|_| id::new()).collect();
        Bound { id, who, new, state, now: clock::now(), readers }
    }

    /// $1 to $15 of their queries.
    fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let new = self.new;
        vec![
            (&self.id, Type::UUID),
            (&self.who, Type::UUID),
            (&new.title, Type::TEXT),
            (&new.subject, Type::TEXT),
            (&new.grade_lowest, Type::INT2),
            (&new.grade_highest, Type::INT2),
            (&new.language, Type::TEXT),
            (&new.body, Type::TEXT),
            (&new.source, Type::TEXT),
            (&new.licence, Type::TEXT),
            (&self.state, Type::TEXT),
            (&new.classes, Type::UUID_ARRAY),
            (&self.now, Type::TIMESTAMPTZ),
            (&new.files, Type::UUID_ARRAY),
            (&self.readers, Type::UUID_ARRAY),
        ]
    }
}

fn content(row: &Row) -> Result<Content, StoreError> {
    let (author, name): (Option<Uuid>, Option<String>) =
        (row.try_get("author_id")?, row.try_get("author_name")?);
    Ok(Content {
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        subject: row.try_get("subject")?,
        grade_lowest: row.try_get("grade_lowest")?,
        grade_highest: row.try_get("grade_highest")?,
        language: row.try_get("language")?,
        source: row.try_get("source")?,
        licence: row.try_get("licence")?,
        state: row.try_get("state")?,
        classes: row.try_get("classes")?,
        version: row.try_get("version")?,
        author: author.map(|id| Person { id, name: name.unwrap_or_default() }),
        editable: row.try_get::<_, Option<bool>>("editable")?.unwrap_or(false),
        files: row.try_get::<_, Json<_>>("files")?.0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn found(row: &Row) -> Result<FoundContent, StoreError> {
    let (file, page): (Option<Uuid>, Option<i32>) = (row.try_get("file")?, row.try_get("page")?);
    Ok(FoundContent {
        content: content(row)?,
        page: file.zip(page),
        excerpt: pieces(row.try_get("excerpt")?),
        rank: row.try_get("rank")?,
    })
}

fn version(row: &Row) -> Result<ContentVersion, StoreError> {
    Ok(ContentVersion {
        version: row.try_get("version")?,
        title: row.try_get("title")?,
        state: row.try_get("state")?,
        at: row.try_get("at")?,
    })
}

fn old(row: &Row) -> Result<OldContent, StoreError> {
    Ok(OldContent {
        version: version(row)?,
        subject: row.try_get("subject")?,
        grade_lowest: row.try_get("grade_lowest")?,
        grade_highest: row.try_get("grade_highest")?,
        language: row.try_get("language")?,
        body: row.try_get("body")?,
        source: row.try_get("source")?,
        licence: row.try_get("licence")?,
    })
}

/// A text with marks, as what is marked and what is not. White space is one space, as in any line.
fn pieces(marked: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut hit = false;
    for part in marked.split_inclusive(MARKS) {
        let text = part.trim_end_matches(MARKS);
        let mut line = String::with_capacity(text.len());
        for letter in text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }) {
            if letter != ' ' || !line.ends_with(' ') {
                line.push(letter);
            }
        }
        match pieces.last_mut() {
            _ if line.is_empty() => {}
            Some(last) if last.hit == hit => last.text.push_str(&line),
            _ => pieces.push(Piece { text: line, hit }),
        }
        hit = part.ends_with(MARKS[0]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_what_is_marked_and_what_is_not() {
        let said = |marked: &str| {
            let pieces = pieces(marked).into_iter();
            pieces
                .map(|piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text })
                .collect::<String>()
        };
        assert_eq!(said("a \u{e000}half\u{e001} of\n\n  it"), "a [half] of it");
        assert_eq!(said("\u{e000}half\u{e001}"), "[half]");
        assert_eq!(said("<b>no</b> \u{e000}<i>\u{e001}"), "<b>no</b> [<i>]");
        // Marks that do not fit together lose no word.
        assert_eq!(said("\u{e001}a\u{e001}b\u{e000}\u{e000}c"), "ab[c]");
        assert_eq!(said(""), "");
    }
}
