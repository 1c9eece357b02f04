//! What a message sent through REST needs beside its session's task.

use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::{Store, StoreError};

impl Store {
    /// A session of this id and student, unless there is one of this id, whoever's it is.
    pub async fn ensure_session(&self, id: Uuid, student: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/session_ensure.sql");
        self.as_user(student)
            .execute(sql, &[(&id, Type::UUID), (&student, Type::UUID), (&now, Type::TIMESTAMPTZ)])
            .await?;
        Ok(())
    }

    /// The run that a message belongs to.
    pub async fn run_of(&self, session: Uuid, message: Uuid) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/message_run.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID), (&message, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get("run_id")).transpose()?)
    }
}
