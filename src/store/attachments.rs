//! The files of messages, as the sessions' tasks ask for them.

use tokio_postgres::types::Type;

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
}
