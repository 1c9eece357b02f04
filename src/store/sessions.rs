//! Sessions, as the doors ask for them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};

use super::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: Uuid,
    pub student_id: Uuid,
    pub title: Option<String>,
    pub subject: Option<String>,
    /// `ai` or `tutor`.
    pub control: String,
    pub hand_raised: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    pub student_id: Uuid,
    pub title: Option<&'a str>,
    pub subject: Option<&'a str>,
}

/// `None`: stays as it is; `Some(None)`: becomes empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionChange<'a> {
    pub title: Option<Option<&'a str>>,
    pub subject: Option<Option<&'a str>>,
}

/// Whose sessions a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionsOf {
    Student(Uuid),
    Everyone,
}

/// One page of a list. `next` is the place of its last row, when more rows follow.
#[derive(Clone, Debug)]
pub struct Page<T, At> {
    pub items: Vec<T>,
    pub next: Option<At>,
}

impl Store {
    pub async fn create_session(&self, new: NewSession<'_>) -> Result<Session, StoreError> {
        let sql = include_str!("../../sql/queries/session_create.sql");
        let (id, now) = (id::new(), clock::now());
        let rows = self
            .as_user(new.student_id)
            .change(
                sql,
                &[
                    (&id, Type::UUID),
                    (&new.student_id, Type::UUID),
                    (&new.title, Type::TEXT),
                    (&new.subject, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::Refused("no row was inserted".into()))?;
        session(row)
    }

    pub async fn get_session(&self, who: Uuid, id: Uuid) -> Result<Option<Session>, StoreError> {
        let sql = include_str!("../../sql/queries/session_get.sql");
        self.as_user(who).read_opt(sql, &[(&id, Type::UUID)]).await?.as_ref().map(session).transpose()
    }

    /// The most recently active first; `search` looks into title and subject, whatever the case.
    pub async fn list_sessions(
        &self,
        who: Uuid,
        of: SessionsOf,
        search: Option<&str>,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Page<Session, (Timestamp, Uuid)>, StoreError> {
        let student = match of {
            SessionsOf::Student(id) => Some(id),
            SessionsOf::Everyone => None,
        };
        let pattern = search.map(pattern_for);
        let (at, id) = after.unzip();
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/session_list.sql"),
                &[
                    (&student, Type::UUID),
                    (&pattern, Type::TEXT),
                    (&at, Type::TIMESTAMPTZ),
                    (&id, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, session, |session| (session.updated_at, session.id))
    }

    /// `None` when there is no such session.
    pub async fn change_session(
        &self,
        who: Uuid,
        id: Uuid,
        change: SessionChange<'_>,
    ) -> Result<Option<Session>, StoreError> {
        let rows = self
            .as_user(who)
            .change(
                include_str!("../../sql/queries/session_patch.sql"),
                &[
                    (&id, Type::UUID),
                    (&change.title.is_some(), Type::BOOL),
                    (&change.title.flatten(), Type::TEXT),
                    (&change.subject.is_some(), Type::BOOL),
                    (&change.subject.flatten(), Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        rows.first().map(session).transpose()
    }

    /// With all its messages. False when there was none.
    pub async fn delete_session(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/session_delete.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID)]).await? > 0)
    }
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One row more than asked for tells whether another page follows.
pub(super) fn one_more(limit: usize) -> i64 {
    count(limit).saturating_add(1)
}

pub(super) fn page<T, At>(
    mut rows: Vec<Row>,
    limit: usize,
    read: impl Fn(&Row) -> Result<T, StoreError>,
    place: impl Fn(&T) -> At,
) -> Result<Page<T, At>, StoreError> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let items = rows.iter().map(read).collect::<Result<Vec<T>, _>>()?;
    let next = if more { items.last().map(place) } else { None };
    Ok(Page { items, next })
}

/// What is looked for, as a LIKE pattern that matches it anywhere and nothing else.
fn pattern_for(search: &str) -> String {
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for letter in search.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.try_get("id")?,
        student_id: row.try_get("student_id")?,
        title: row.try_get("title")?,
        subject: row.try_get("subject")?,
        control: row.try_get("control")?,
        hand_raised: row.try_get("hand_raised")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_matches_its_own_letters_only() {
        assert_eq!(pattern_for("50%_a\\b"), "%50\\%\\_a\\\\b%");
    }
}
