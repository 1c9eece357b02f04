//! Files that are attached to content, and the pages that were read of them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio_postgres::types::Type;

use crate::id::Uuid;

use super::sessions::count;
use super::{Effect, Held, Store, StoreError};

/// A file of content, as those see it who see the content.
#[derive(Clone, Debug, Deserialize)]
pub struct ContentFile {
    pub id: Uuid,
    pub name: String,
    pub media_type: String,
    pub size: i64,
    pub pages: Option<i32>,
    /// `none`, `waiting`, `read` or `failed`.
    pub reading: String,
    pub read_pages: Option<i32>,
    /// There was more to be read than is kept.
    pub cut: bool,
    /// That reads it.
    pub task: Option<Uuid>,
}

/// A page that was read, or a part of what has no pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentPage {
    pub page: i32,
    pub text: String,
}

/// What was read of a file.
#[derive(Clone, Copy, Debug)]
pub struct PagesRead {
    pub file: Uuid,
    /// By which task.
    pub task: Uuid,
    /// Of what has pages, also those that were not read.
    pub pages: Option<i32>,
    pub read_pages: usize,
    pub cut: bool,
}

impl Store {
    /// The first of these, by its place, that this person cannot attach to that content (to new content).
    pub async fn unfit_content_file(
        &self,
        who: Uuid,
        content: Option<Uuid>,
        files: &[Uuid],
    ) -> Result<Option<usize>, StoreError> {
        let sql = include_str!("../../sql/queries/content_files_unfit.sql");
        let params = [(&who as _, Type::UUID), (&content as _, Type::UUID), (&files as _, Type::UUID_ARRAY)];
        let row = self.as_user(who).read_opt(sql, &params).await?;
        let place: Option<i64> = row.map(|row| row.try_get("place")).transpose()?;
        Ok(place.and_then(|place| usize::try_from(place - 1).ok()))
    }

    /// The content to which a file is attached, if they see it.
    pub async fn content_of_file(&self, who: Uuid, file: Uuid) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/file_content.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&file, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// A file of somebody's own with this name and these bytes that is attached nowhere.
    pub async fn loose_file(
        &self,
        owner: Uuid,
        name: &str,
        sha256: &[u8],
    ) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/file_loose.sql");
        let params = [(&owner as _, Type::UUID), (&name as _, Type::TEXT), (&sha256 as _, Type::BYTEA)];
        let row = self.as_user(owner).read_opt(sql, &params).await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// Pages of a file of content from this one on, and how many there are. `None`: they see no such file there.
    pub async fn content_pages(
        &self,
        who: Uuid,
        (content, file): (Uuid, Uuid),
        from: i32,
        limit: usize,
    ) -> Result<Option<(Vec<ContentPage>, i32)>, StoreError> {
        let sql = include_str!("../../sql/queries/content_pages.sql");
        let params = [
            (&who as _, Type::UUID),
            (&content as _, Type::UUID),
            (&file as _, Type::UUID),
            (&from as _, Type::INT4),
            (&count(limit) as _, Type::INT8),
        ];
        let rows = self.as_user(who).read(sql, &params).await?;
        let Some(total) = rows.first().map(|row| row.try_get("total")).transpose()? else { return Ok(None) };
        let mut pages = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(page) = row.try_get("page")? {
                pages.push(ContentPage { page, text: row.try_get("text")? });
            }
        }
        Ok(Some((pages, total)))
    }

    // ── Who reads them ──────────────────────────────────────────────────────────────────────────

    /// Takes this one task, if nobody has yet.
    pub async fn hold_task(&self, id: Uuid, who: &str, lease: Duration) -> Result<Option<Held>, StoreError> {
        let sql = include_str!("../../sql/queries/task_hold.sql");
        let seconds = lease.as_secs_f64();
        let params = [(&id as _, Type::UUID), (&who as _, Type::TEXT), (&seconds as _, Type::FLOAT8)];
        let rows = self.as_jobs().change(sql, &params).await?;
        rows.first().map(|row| Ok(Held { id, lease: row.try_get("lease")? })).transpose()
    }

    /// Some pages of the file that a task reads, by its holder: written again, they are the same. `Missing`: it is
    /// held no more, or the file is no longer attached.
    pub async fn write_pages(&self, held: Held, first: i32, pages: &[&str]) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/content_pages_write.sql");
        let params = [
            (&held.id as _, Type::UUID),
            (&held.lease as _, Type::INT8),
            (&first as _, Type::INT4),
            (&pages as _, Type::TEXT_ARRAY),
        ];
        match self.as_jobs().execute(sql, &params).await? {
            0 if !pages.is_empty() => Err(StoreError::Missing),
            _ => Ok(()),
        }
    }

    /// What says that all pages of a file are there.
    pub fn pages_effect(read: PagesRead) -> Effect {
        let PagesRead { file, task, pages, read_pages, cut } = read;
        Effect {
            sql: include_str!("../../sql/queries/content_pages_read.sql"),
            rows: json!({"file": file, "task": task, "pages": pages, "read_pages": read_pages, "cut": cut}),
        }
    }
}
