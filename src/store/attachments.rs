//! The files of messages, as the sessions' tasks ask for them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::{Store, StoreError};

impl Store {
    /// The first of these, by its place, that is no file of this person's, or not ready.
    pub async fn unfit_file(&self, who: Uuid, files: &[Uuid]) -> Result<Option<usize>, StoreError> {
        let sql = include_str!("../../sql/queries/file_unfit.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&files, Type::UUID_ARRAY)]).await?;
        let place: Option<i64> = row.map(|row| row.try_get("place")).transpose()?;
        Ok(place.and_then(|place| usize::try_from(place - 1).ok()))
    }

    /// What came for a message that was refused goes again; what was sent stays.
    pub async fn unsent_file_ends(&self, owner: Uuid, file: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/file_unsent_delete.sql");
        let rows = self.as_user(owner).change(sql, &[(&file, Type::UUID), (&owner, Type::UUID)]).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.try_get::<_, i64>("gone")? > 0))
    }

    /// Which of these the model's endpoint has, and for a while yet: id, name, address, end.
    pub async fn model_files(
        &self,
        files: &[Uuid],
    ) -> Result<Vec<(Uuid, String, String, Timestamp)>, StoreError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let sql = include_str!("../../sql/queries/model_files.sql");
        let rows = self.as_task().read(sql, &[(&files, Type::UUID_ARRAY)]).await?;
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        rows.iter().map(read).collect()
    }

    /// The newest word counts.
    pub async fn remember_model_file(
        &self,
        file: Uuid,
        name: &str,
        uri: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/model_file_remember.sql");
        let params = [
            (&file as _, Type::UUID),
            (&name as _, Type::TEXT),
            (&uri as _, Type::TEXT),
            (&expires_at as _, Type::TIMESTAMPTZ),
        ];
        self.as_task().execute(sql, &params).await.map(drop)
    }
}
