//! What the model makes of people's material: the problems on a worksheet, cards and questions of content.

use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::{self, Uuid};

use super::{Content, Effect, Store, StoreError};

/// Pages that are read at once.
const PAGES: usize = 50;

/// The problems on a file that shows a worksheet: `[{label, text}]`.
#[derive(Clone, Debug)]
pub struct Worksheet {
    pub problems: Value,
    pub model: Option<String>,
    pub created_at: Timestamp,
}

/// What became of asking for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedFor {
    /// This task makes it, or does so already.
    Task(Uuid),
    /// A quota is used up until then.
    OverQuota(Timestamp),
}

/// Cards or questions of some content.
#[derive(Clone, Debug)]
pub struct StudySet {
    pub id: Uuid,
    /// `flash_cards` or `practice_questions`.
    pub kind: String,
    /// `draft` or `published`.
    pub state: String,
    pub of_version: i32,
    pub items: Value,
    pub model: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What somebody made of a set.
#[derive(Clone, Copy, Debug)]
pub struct StudyChange<'a> {
    pub kind: &'a str,
    pub published: bool,
    pub items: &'a Value,
    /// Only of this set: none that was made anew.
    pub of: Option<Uuid>,
}

/// Of what some content is made, for the model.
#[derive(Clone, Debug)]
pub struct Source {
    pub title: String,
    pub language: String,
    pub version: i32,
    pub text: String,
}

impl Store {
    /// Of a file of their own, charged to them as a question is. `None`: it is none.
    pub async fn ask_for_worksheet(&self, who: Uuid, file: Uuid) -> Result<Option<AskedFor>, StoreError> {
        let sql = include_str!("../../sql/queries/worksheet_ask.sql");
        let quotas = self.writer().limits();
        let params = [
            (&id::new() as _, Type::UUID),
            (&file as _, Type::UUID),
            (&quotas.as_ref().map(|quotas| &quotas[..]) as _, Type::INT8_ARRAY),
        ];
        let rows = self.as_user(who).change(sql, &params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let task: Option<Uuid> = row.try_get("task")?;
        Ok(Some(match task {
            Some(task) => AskedFor::Task(task),
            None => AskedFor::OverQuota(row.try_get("resets")?),
        }))
    }

    /// Of a file that they see.
    pub async fn worksheet(&self, who: Uuid, file: Uuid) -> Result<Option<Worksheet>, StoreError> {
        let sql = include_str!("../../sql/queries/worksheet_get.sql");
        let row = self.as_user(who).read_opt(sql, &[(&file, Type::UUID)]).await?;
        let read = |row: Row| {
            Ok(Worksheet {
                problems: row.try_get("problems")?,
                model: row.try_get("model")?,
                created_at: row.try_get("created_at")?,
            })
        };
        row.map(read).transpose()
    }

    /// What keeps the problems of a file, if it is still the one with this key.
    pub fn worksheet_effect(file: Uuid, key: &str, problems: &Value, model: Option<&str>) -> Effect {
        Effect {
            sql: include_str!("../../sql/queries/worksheet_write.sql"),
            rows: json!({"file": file, "key": key, "problems": problems, "model": model}),
        }
    }

    /// The task that makes them; of whoever asks there is one at a time for a kind of a content. `None`: they
    /// may not write it.
    pub async fn ask_for_study(
        &self,
        who: Uuid,
        content: Uuid,
        kind: &str,
        count: i32,
    ) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/study_ask.sql");
        let params = [
            (&id::new() as _, Type::UUID),
            (&kind as _, Type::TEXT),
            (&content as _, Type::UUID),
            (&count as _, Type::INT4),
        ];
        let rows = self.as_user(who).change(sql, &params).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.flatten())
    }

    /// Of a content, as they see it.
    pub async fn study_sets(&self, who: Uuid, content: Uuid) -> Result<Vec<StudySet>, StoreError> {
        let sql = include_str!("../../sql/queries/study_list.sql");
        let params = [(&who as _, Type::UUID), (&content as _, Type::UUID)];
        self.as_user(who).read(sql, &params).await?.iter().map(set).collect()
    }

    /// `None`: there is none of a content that they may write.
    pub async fn change_study(
        &self,
        who: Uuid,
        content: Uuid,
        change: StudyChange<'_>,
    ) -> Result<Option<StudySet>, StoreError> {
        let sql = include_str!("../../sql/queries/study_change.sql");
        let params = [
            (&who as _, Type::UUID),
            (&content as _, Type::UUID),
            (&change.kind as _, Type::TEXT),
            (&(if change.published { "published" } else { "draft" }) as _, Type::TEXT),
            (change.items as _, Type::JSONB),
            (&change.of as _, Type::UUID),
        ];
        self.as_user(who).change(sql, &params).await?.first().map(set).transpose()
    }

    /// False when there was none of a content that they may write.
    pub async fn delete_study(&self, who: Uuid, content: Uuid, kind: &str) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/study_delete.sql");
        let params = [(&who as _, Type::UUID), (&content as _, Type::UUID), (&kind as _, Type::TEXT)];
        Ok(self.as_user(who).execute(sql, &params).await? > 0)
    }

    /// What keeps a draft of this kind, which a task made.
    pub fn study_effect(
        task: Uuid,
        content: Uuid,
        kind: &str,
        of_version: i32,
        items: &Value,
        model: Option<&str>,
    ) -> Effect {
        Effect {
            sql: include_str!("../../sql/queries/study_write.sql"),
            rows: json!({
                "id": id::new(), "content": content, "kind": kind, "of_version": of_version, "items": items,
                "model": model, "task": task,
            }),
        }
    }

    /// The words of a content and of the pages of its files, as far as they fit, for somebody who may change it.
    /// `None`: it is gone, or not theirs to change any more.
    pub async fn content_source(
        &self,
        who: Uuid,
        id: Uuid,
        most: usize,
    ) -> Result<Option<Source>, StoreError> {
        let found = self.content(who, id).await?.filter(|(content, _)| content.editable);
        let Some((content, mut text)) = found else { return Ok(None) };
        for file in content.files.iter().filter(|file| file.read_pages.is_some()) {
            self.add_pages(&mut text, who, (id, file.id), most).await?;
        }
        text.truncate(text.floor_char_boundary(most));
        let Content { title, language, version, .. } = content;
        Ok(Some(Source { title, language, version, text }))
    }

    /// The pages of a file behind a text, until that is as long as this.
    async fn add_pages(
        &self,
        text: &mut String,
        who: Uuid,
        of: (Uuid, Uuid),
        most: usize,
    ) -> Result<(), StoreError> {
        let mut from = 1;
        while text.len() < most {
            let read = self.content_pages(who, of, from, PAGES).await?;
            let Some((pages, _)) = read.filter(|(pages, _)| !pages.is_empty()) else { break };
            for page in pages {
                text.push_str("\n\n");
                text.push_str(&page.text);
                from = page.page + 1;
            }
        }
        Ok(())
    }
}

fn set(row: &Row) -> Result<StudySet, StoreError> {
    Ok(StudySet {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        of_version: row.try_get("of_version")?,
        items: row.try_get("items")?,
        model: row.try_get("model")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
