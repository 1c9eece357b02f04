//! Sessions and messages, as the doors and a waking session ask for them.

use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::protocol::{Author, AuthorKind, ErrorCode, FinishReason, Message, MessageRole, Status, Usage};

use super::{Store, StoreError, Woken, WokenMessage};

/// What the assistant is called in a list of messages.
pub(crate) const ASSISTANT: &str = "fynq";

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

/// Where a page of a session's messages begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagesFrom {
    Start,
    /// After this place (`Page::next` of the page before).
    After(i64),
    /// The messages just before this one.
    Before(Uuid),
}

impl Store {
    /// What a session's task needs to wake: its row, its student's name, and the newest
    /// not superseded messages (at most `max_messages` and about `max_bytes`), oldest first.
    pub async fn wake_session(
        &self,
        id: Uuid,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Option<Woken>, StoreError> {
        let (most, bytes) = (count(max_messages), count(max_bytes));
        let sql = include_str!("../../sql/queries/session_wake.sql");
        let row = self.read_opt(sql, &[(&id, Type::UUID)]).await?;
        let Some(row) = row else { return Ok(None) };
        let sql = include_str!("../../sql/queries/messages_wake.sql");
        let rows = self.read(sql, &[(&id, Type::UUID), (&most, Type::INT8), (&bytes, Type::INT8)]).await?;
        let has_more = match rows.first() {
            Some(first) => count(rows.len()) < first.try_get("found")?,
            None => false,
        };
        let mut messages = rows.iter().map(woken).collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok(Some(Woken {
            id: row.try_get("id")?,
            student_id: row.try_get("student_id")?,
            student_name: row.try_get("student_name")?,
            title: row.try_get("title")?,
            hand_raised: row.try_get("hand_raised")?,
            done: row.try_get("done")?,
            last_ord: row.try_get("last_ord")?,
            messages,
            has_more,
        }))
    }

    /// Notes that a command without a message took effect; the newest `most` are kept.
    pub async fn remember_command(&self, session: Uuid, id: Uuid, most: usize) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/session_remember.sql");
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        self.execute(sql, &[(&session, Type::UUID), (&id, Type::UUID), (&most, Type::INT4)]).await?;
        Ok(())
    }

    /// Whether the session holds this message, superseded or not.
    pub async fn message_exists(&self, session: Uuid, message: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/message_exists.sql");
        let row = self.read_opt(sql, &[(&session, Type::UUID), (&message, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// At start: closes the runs that a crash left open (`streaming` becomes `interrupted`, text
    /// kept). Returns how many.
    pub async fn close_interrupted(&self) -> Result<u64, StoreError> {
        self.execute(include_str!("../../sql/queries/close_interrupted.sql"), &[]).await
    }

    /// At start: sessions with accepted messages whose run has not begun, the longest waiting first.
    pub async fn sessions_waiting(&self) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.read(include_str!("../../sql/queries/sessions_waiting.sql"), &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub async fn create_session(&self, new: NewSession<'_>) -> Result<Session, StoreError> {
        let sql = include_str!("../../sql/queries/session_create.sql");
        let (id, now) = (id::new(), clock::now());
        let rows = self
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

    pub async fn get_session(&self, id: Uuid) -> Result<Option<Session>, StoreError> {
        let sql = include_str!("../../sql/queries/session_get.sql");
        self.read_opt(sql, &[(&id, Type::UUID)]).await?.as_ref().map(session).transpose()
    }

    /// The most recently active first; `search` looks into title and subject, whatever the case.
    pub async fn list_sessions(
        &self,
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
        id: Uuid,
        change: SessionChange<'_>,
    ) -> Result<Option<Session>, StoreError> {
        let rows = self
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
    pub async fn delete_session(&self, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/session_delete.sql");
        Ok(self.execute(sql, &[(&id, Type::UUID)]).await? > 0)
    }

    /// Oldest first, superseded ones left out. Also `Before` gives its page oldest first; its
    /// `next` then only says that there are still older ones.
    pub async fn list_messages(
        &self,
        session: Uuid,
        from: MessagesFrom,
        limit: usize,
    ) -> Result<Page<Message, i64>, StoreError> {
        let more = one_more(limit);
        let after = match from {
            MessagesFrom::Start => i64::MIN,
            MessagesFrom::After(ord) => ord,
            MessagesFrom::Before(message) => {
                let rows = self
                    .read(
                        include_str!("../../sql/queries/messages_before.sql"),
                        &[(&session, Type::UUID), (&message, Type::UUID), (&more, Type::INT8)],
                    )
                    .await?;
                let mut page = page(rows, limit, woken, |last| last.ord)?;
                page.items.reverse();
                return Ok(bare(page));
            }
        };
        let rows = self
            .read(
                include_str!("../../sql/queries/messages_after.sql"),
                &[(&session, Type::UUID), (&after, Type::INT8), (&more, Type::INT8)],
            )
            .await?;
        Ok(bare(page(rows, limit, woken, |last| last.ord)?))
    }

    /// All that was said in a student's sessions: the newest session first, its messages oldest first.
    pub async fn messages_of_user(
        &self,
        user: Uuid,
        after: Option<(Uuid, i64)>,
        limit: usize,
    ) -> Result<Page<Message, (Uuid, i64)>, StoreError> {
        let (session, ord) = after.unzip();
        let rows = self
            .read(
                include_str!("../../sql/queries/messages_of_user.sql"),
                &[
                    (&user, Type::UUID),
                    (&session, Type::UUID),
                    (&ord, Type::INT8),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        Ok(bare(page(rows, limit, woken, |last| (last.message.session_id, last.ord))?))
    }

    /// Every message of one run, in order.
    pub async fn run_messages(&self, session: Uuid, run: Uuid) -> Result<Vec<Message>, StoreError> {
        let sql = include_str!("../../sql/queries/messages_of_run.sql");
        let rows = self.read(sql, &[(&session, Type::UUID), (&run, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(woken(row)?.message)).collect()
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One row more than asked for tells whether another page follows.
fn one_more(limit: usize) -> i64 {
    count(limit).saturating_add(1)
}

fn page<T, At>(
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

fn bare<At>(page: Page<WokenMessage, At>) -> Page<Message, At> {
    Page { items: page.items.into_iter().map(|item| item.message).collect(), next: page.next }
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

fn woken(row: &Row) -> Result<WokenMessage, StoreError> {
    let kind: AuthorKind = word(row, "author_kind", AuthorKind::parse)?;
    let name = match kind {
        AuthorKind::Assistant => ASSISTANT.to_owned(),
        // Somebody whose account is gone has no name any more.
        AuthorKind::Student | AuthorKind::Tutor => {
            row.try_get::<_, Option<String>>("author_name")?.unwrap_or_default()
        }
    };
    let finish_reason: Option<&str> = row.try_get("finish_reason")?;
    let error: Option<&str> = row.try_get("error")?;
    let usage: Option<Json<Usage>> = row.try_get("usage")?;
    Ok(WokenMessage {
        message: Message {
            id: row.try_get("id")?,
            session_id: row.try_get("session_id")?,
            run_id: row.try_get("run_id")?,
            role: word(row, "role", MessageRole::parse)?,
            author: Author { id: row.try_get("author_id")?, name, kind },
            content: row.try_get("content")?,
            status: word(row, "status", Status::parse)?,
            finish_reason: finish_reason.map(FinishReason::parse),
            // A code of another version: the message still ended badly.
            error: error.map(|text| ErrorCode::parse(text).unwrap_or(ErrorCode::Internal)),
            usage: usage.map(|Json(usage)| usage),
            model: row.try_get("model")?,
            files: row.try_get("files")?,
            created_at: row.try_get("created_at")?,
        },
        ord: row.try_get("ord")?,
        edits: row.try_get("edits")?,
    })
}

fn word<T>(row: &Row, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    parse(text).ok_or_else(|| StoreError::Refused(format!("`{column}` holds a word that is not known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_matches_its_own_letters_only() {
        assert_eq!(pattern_for("50%_a\\b"), "%50\\%\\_a\\\\b%");
    }
}
