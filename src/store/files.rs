//! Files, as the doors and the tasks ask for them: rows alone, no bytes.

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::sessions::{count, one_more, page};
use super::{Effect, Page, Store, StoreError};

/// A file that is there.
#[derive(Clone, Debug)]
pub struct File {
    pub id: Uuid,
    pub org_id: Uuid,
    /// `None`: their account is gone, and it is the school's.
    pub owner_id: Option<Uuid>,
    pub name: String,
    pub media_type: String,
    pub size: i64,
    /// Where its bytes lie; never told.
    pub key: String,
    pub preview_key: Option<String>,
    pub text_key: Option<String>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub pages: Option<i32>,
    pub created_at: Timestamp,
}

/// A file whose words are to be read.
#[derive(Clone, Debug)]
pub struct Document {
    pub key: String,
    pub media_type: String,
}

/// One that begins to arrive.
#[derive(Clone, Copy, Debug)]
pub struct NewFile<'a> {
    pub id: Uuid,
    pub owner: Uuid,
    pub name: &'a str,
    pub key: &'a str,
    /// As much as it may need.
    pub room: i64,
    pub of_user: i64,
    pub of_org: Option<i64>,
}

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    pub name: &'a str,
    pub media_type: &'a str,
    pub size: i64,
    /// Of an image, which then has a preview.
    pub edges: Option<(i32, i32)>,
    pub sha256: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Kept,
    /// The person's own files take all that they may.
    NoneOfUser,
    NoneOfOrganisation,
}

impl Store {
    /// Keeps room for a file, and a row that says so.
    pub async fn begin_file(&self, new: NewFile<'_>) -> Result<Room, StoreError> {
        let rows = self
            .as_user(new.owner)
            .change(
                include_str!("../../sql/queries/file_begin.sql"),
                &[
                    (&new.id, Type::UUID),
                    (&new.name, Type::TEXT),
                    (&new.key, Type::TEXT),
                    (&new.room, Type::INT8),
                    (&new.of_user, Type::INT8),
                    (&new.of_org, Type::INT8),
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::Refused("begin_file said nothing".into()))?;
        Ok(match row.try_get(0)? {
            "begun" => Room::Kept,
            "user" => Room::NoneOfUser,
            _ => Room::NoneOfOrganisation,
        })
    }

    /// Its blobs are there. `None`: its row is not any more.
    pub async fn file_arrived(
        &self,
        owner: Uuid,
        id: Uuid,
        arrived: Arrived<'_>,
    ) -> Result<Option<File>, StoreError> {
        let rows = self
            .as_user(owner)
            .change(
                include_str!("../../sql/queries/file_ready.sql"),
                &[
                    (&id, Type::UUID),
                    (&owner, Type::UUID),
                    (&arrived.name, Type::TEXT),
                    (&arrived.media_type, Type::TEXT),
                    (&arrived.size, Type::INT8),
                    (&arrived.edges.map(|edges| edges.0), Type::INT4),
                    (&arrived.edges.map(|edges| edges.1), Type::INT4),
                    (&arrived.sha256, Type::BYTEA),
                    (&arrived.edges.is_some(), Type::BOOL),
                ],
            )
            .await?;
        rows.first().map(file).transpose()
    }

    /// It did not arrive: its room is free again. False: it had, or is gone already.
    pub async fn drop_file(&self, owner: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/file_drop.sql");
        Ok(self.as_user(owner).execute(sql, &[(&id, Type::UUID), (&owner, Type::UUID)]).await? > 0)
    }

    /// `None`: there is none that they may see.
    pub async fn file(&self, who: Uuid, id: Uuid) -> Result<Option<File>, StoreError> {
        let sql = include_str!("../../sql/queries/file_get.sql");
        self.as_user(who).read_opt(sql, &[(&id, Type::UUID)]).await?.as_ref().map(file).transpose()
    }

    /// Where it was sent, of the sessions that one sees.
    pub async fn sessions_of_file(&self, who: Uuid, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/file_sessions.sql");
        let rows = self.as_user(who).read(sql, &[(&id, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// One's own, the newest first.
    pub async fn files_of(
        &self,
        who: Uuid,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<File, Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/files_list.sql");
        let params =
            [(&who as _, Type::UUID), (&after as _, Type::UUID), (&one_more(limit) as _, Type::INT8)];
        page(self.as_user(who).read(sql, &params).await?, limit, file, |last| last.id)
    }

    /// Of these, in this order, what the student of the session has.
    pub async fn files_for_prompt(&self, session: Uuid, ids: &[Uuid]) -> Result<Vec<File>, StoreError> {
        let sql = include_str!("../../sql/queries/files_for_prompt.sql");
        let params = [(&session as _, Type::UUID), (&ids as _, Type::UUID_ARRAY)];
        self.as_task().read(sql, &params).await?.iter().map(file).collect()
    }

    /// Whether it is attached to any content, whoever sees that.
    pub async fn file_is_attached(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/file_is_attached.sql");
        let row = self.as_user(who).read_opt(sql, &[(&id, Type::UUID)]).await?;
        row.map_or(Ok(false), |row| Ok(row.try_get("attached")?))
    }

    /// One's own that is attached nowhere; its blobs are gone by that, and to be deleted. False when there was none of theirs.
    pub async fn delete_file(&self, owner: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/file_delete.sql");
        let rows = self.as_user(owner).change(sql, &[(&id, Type::UUID), (&owner, Type::UUID)]).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.try_get("gone")?))
    }

    /// Files of somebody, the oldest first: its id, where its bytes lie, and what is said of it.
    pub async fn export_files(
        &self,
        who: Uuid,
        of: Uuid,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<(Uuid, String, Value)>, StoreError> {
        let sql = include_str!("../../sql/queries/export_files.sql");
        let params = [(&of as _, Type::UUID), (&after as _, Type::UUID), (&count(most) as _, Type::INT8)];
        let rows = self.as_user(who).read(sql, &params).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("key")?, row.try_get("about")?))).collect()
    }

    // ── The words of documents ──────────────────────────────────────────────────────────────────

    /// `None`: there is no such file (any more).
    pub async fn document(&self, id: Uuid) -> Result<Option<Document>, StoreError> {
        let sql = include_str!("../../sql/queries/document.sql");
        let row = self.as_jobs().read_opt(sql, &[(&id, Type::UUID)]).await?;
        row.map(|row| Ok(Document { key: row.try_get("key")?, media_type: row.try_get("media_type")? }))
            .transpose()
    }

    /// What says of a file, if it is still the one with this key, that its words are there.
    pub fn words_effect(file: Uuid, key: &str, text_key: &str, pages: Option<i32>) -> Effect {
        Effect {
            sql: include_str!("../../sql/queries/document_words.sql"),
            rows: serde_json::json!({"file": file, "key": key, "text_key": text_key, "pages": pages}),
        }
    }

    // ── The sweep ───────────────────────────────────────────────────────────────────────────────

    /// Uploads that began before and never ended.
    pub async fn sweep_arriving(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/files_sweep_arriving.sql");
        self.as_jobs().execute(sql, &[(&before, Type::TIMESTAMPTZ)]).await
    }

    /// Students' files that were never sent, from before; none where there is no such time.
    pub async fn sweep_unsent(&self, before: Option<Timestamp>) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/files_sweep_unsent.sql");
        let rows = self.as_jobs().change(sql, &[(&before, Type::TIMESTAMPTZ)]).await?;
        let gone: i64 = rows.first().map_or(Ok(0), |row| row.try_get("gone"))?;
        Ok(u64::try_from(gone).unwrap_or_default())
    }

    /// Keys that no row names any more.
    pub async fn gone_blobs(&self, most: usize) -> Result<Vec<String>, StoreError> {
        let sql = include_str!("../../sql/queries/gone_blobs.sql");
        let rows = self.as_jobs().read(sql, &[(&count(most), Type::INT8)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub async fn forget_gone_blobs(&self, keys: &[String]) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/gone_blobs_forget.sql");
        self.as_jobs().execute(sql, &[(&keys, Type::TEXT_ARRAY)]).await.map(drop)
    }

    /// Which of these no row names.
    pub async fn unknown_blobs(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let sql = include_str!("../../sql/queries/blobs_unknown.sql");
        let rows = self.as_jobs().read(sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

fn file(row: &Row) -> Result<File, StoreError> {
    Ok(File {
        id: row.try_get("id")?,
        org_id: row.try_get("org_id")?,
        owner_id: row.try_get("owner_id")?,
        name: row.try_get("name")?,
        media_type: row.try_get("media_type")?,
        size: row.try_get("size")?,
        key: row.try_get("key")?,
        preview_key: row.try_get("preview_key")?,
        text_key: row.try_get("text_key")?,
        width: row.try_get("width")?,
        height: row.try_get("height")?,
        pages: row.try_get("pages")?,
        created_at: row.try_get("created_at")?,
    })
}
