//! Notes on students: their teachers' and their school's, never the students' own.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::protocol::Person;

use super::sessions::{one_more, page};
use super::{Page, Store, StoreError};

#[derive(Clone, Debug)]
pub struct Note {
    pub id: Uuid,
    pub student_id: Uuid,
    /// `None`: their account is gone.
    pub author: Option<Person>,
    pub text: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Store {
    /// Notes on a student, the newest first; none for the student.
    pub async fn notes_of(
        &self,
        who: Uuid,
        student: Uuid,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Note, Uuid>, StoreError> {
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/notes_list.sql"),
                &[
                    (&student, Type::UUID),
                    (&who, Type::UUID),
                    (&after, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, note, |last| last.id)
    }

    /// `None`: there is none for them.
    pub async fn note(&self, who: Uuid, id: Uuid) -> Result<Option<Note>, StoreError> {
        let sql = include_str!("../../sql/queries/note_get.sql");
        let row = self.as_user(who).read_opt(sql, &[(&id, Type::UUID), (&who, Type::UUID)]).await?;
        row.as_ref().map(note).transpose()
    }

    /// `None`: the student is nobody whom they may write of.
    pub async fn add_note(&self, who: Uuid, student: Uuid, text: &str) -> Result<Option<Note>, StoreError> {
        let rows = self
            .as_user(who)
            .change(
                include_str!("../../sql/queries/note_add.sql"),
                &[
                    (&id::new(), Type::UUID),
                    (&student, Type::UUID),
                    (&who, Type::UUID),
                    (&text, Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                ],
            )
            .await;
        match rows {
            Ok(rows) => rows.first().map(note).transpose(),
            // Row level security says so.
            Err(StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its author alone. `None`: there is none of theirs.
    pub async fn change_note(&self, who: Uuid, id: Uuid, text: &str) -> Result<Option<Note>, StoreError> {
        let rows = self
            .as_user(who)
            .change(
                include_str!("../../sql/queries/note_change.sql"),
                &[
                    (&id, Type::UUID),
                    (&who, Type::UUID),
                    (&text, Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        rows.first().map(note).transpose()
    }

    /// Its author, or an admin of the school. False when there was none for them.
    pub async fn delete_note(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/note_delete.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID), (&who, Type::UUID)]).await? > 0)
    }
}

fn note(row: &Row) -> Result<Note, StoreError> {
    let (author, name): (Option<Uuid>, Option<String>) =
        (row.try_get("author_id")?, row.try_get("author_name")?);
    Ok(Note {
        id: row.try_get("id")?,
        student_id: row.try_get("student_id")?,
        author: author.map(|id| Person { id, name: name.unwrap_or_default() }),
        text: row.try_get("text")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
