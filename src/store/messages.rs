//! Messages, as the doors and a waking session ask for them.

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use crate::id::Uuid;
use crate::protocol::{Author, AuthorKind, ErrorCode, FinishReason, Message, MessageRole, Status, Usage};

use super::roster::hand;
use super::sessions::{Page, count, one_more, page};
use super::tutoring::{dealt_with, held, whispers};
use super::{Past, Sent, Store, StoreError, WAITING, Woken, WokenMessage};

/// What the assistant is called in a list of messages.
pub(crate) const ASSISTANT: &str = "fynq";

/// Where a page of a session's messages begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagesFrom {
    Start,
    /// After this place (`Page::next` of the page before).
    After(Reached),
    /// The messages just before this one.
    Before(Uuid),
}

/// How far a list of one session's messages has come. What waits for its run has places of its own:
/// a message that has begun since it was listed leaves no gap in the conversation that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// In the conversation.
    pub ord: i64,
    /// Among what waits.
    pub waiting: i64,
}

impl Reached {
    const NOTHING: Reached = Reached { ord: i64::MIN, waiting: WAITING };

    /// After these messages, too.
    fn with(self, messages: &[WokenMessage]) -> Reached {
        messages.iter().fold(self, |reached, message| match message.ord {
            ord if ord > WAITING => Reached { waiting: ord, ..reached },
            ord => Reached { ord, ..reached },
        })
    }
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
        let sql = include_str!("../../sql/queries/session_wake.sql");
        let row = self.as_task().read_opt(sql, &[(&id, Type::UUID), (&WAITING, Type::INT8)]).await?;
        let Some(row) = row else { return Ok(None) };
        let (messages, has_more) = self.newest_before(id, i64::MAX, max_messages, max_bytes).await?;
        let student: Uuid = row.try_get("student_id")?;
        let waits = messages.iter().any(|waiting| waiting.message.status == Status::Queued);
        let silent = waits && self.is_silent(student).await?;
        let owed = if waits { self.said_to_tutors(id).await? } else { Vec::new() };
        Ok(Some(Woken {
            silent,
            owed,
            id: row.try_get("id")?,
            student_id: student,
            student_name: row.try_get("student_name")?,
            title: row.try_get("title")?,
            subject: row.try_get("subject")?,
            hand_raised: row.try_get("hand_raised")?,
            done: row.try_get("done")?,
            org_id: row.try_get("org_id")?,
            show_watchers: row.try_get("show_watchers")?,
            last_ord: row.try_get("last_ord")?,
            messages,
            has_more,
            held: held(&row)?,
            control_epoch: row.try_get("control_epoch")?,
            hand: hand(&row)?,
            whispers: whispers(&row)?,
            dealt_with: dealt_with(&row)?,
        }))
    }

    /// Whether what a student has waiting, or has sent, may not be put to the model any more.
    pub async fn is_silent(&self, student: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/student_silent.sql");
        let row = self.at_the_door().read_opt(sql, &[(&student, Type::UUID)]).await?;
        row.map_or(Ok(true), |row| Ok(row.try_get("silent")?))
    }

    /// Of what waits in a session, what was said while a tutor held it: it was not charged.
    async fn said_to_tutors(&self, session: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/messages_said_to_tutors.sql");
        let rows = self.as_task().read(sql, &[(&session, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The newest messages before a place, oldest first, and whether there are older ones.
    async fn newest_before(
        &self,
        session: Uuid,
        before: i64,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<(Vec<WokenMessage>, bool), StoreError> {
        let sql = include_str!("../../sql/queries/messages_wake.sql");
        let (most, bytes) = (count(max_messages), count(max_bytes));
        let rows = self
            .as_task()
            .read(
                sql,
                &[(&session, Type::UUID), (&most, Type::INT8), (&bytes, Type::INT8), (&before, Type::INT8)],
            )
            .await?;
        let has_more = match rows.first() {
            Some(first) => count(rows.len()) < first.try_get("found")?,
            None => false,
        };
        let mut messages = rows.iter().map(woken).collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok((messages, has_more))
    }

    /// What an edit of this question supersedes, at most `max_gone` of it by name (the newest), and what
    /// stays before it. `None`: the question does not stand any more, nor what took its place. The
    /// session's task asks while no run of it is active, so nothing moves between these statements.
    pub async fn look_back(
        &self,
        session: Uuid,
        question: Uuid,
        max_gone: usize,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Option<Past>, StoreError> {
        let sql = include_str!("../../sql/queries/question_place.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID), (&question, Type::UUID)]).await?;
        let Some(row) = row else { return Ok(None) };
        let from: i64 = row.try_get("ord")?;
        let sql = include_str!("../../sql/queries/messages_from.sql");
        let most = count(max_gone);
        let rows = self
            .as_task()
            .read(sql, &[(&session, Type::UUID), (&from, Type::INT8), (&most, Type::INT8)])
            .await?;
        let gone = rows.iter().rev().map(|row| Ok(row.try_get("id")?)).collect::<Result<_, StoreError>>()?;
        let (kept, has_more) = self.newest_before(session, from, max_messages, max_bytes).await?;
        Ok(Some(Past { from, gone, kept, has_more }))
    }

    /// The files of a question of the session. `None`: it is none, or superseded.
    pub async fn question_stands(
        &self,
        session: Uuid,
        message: Uuid,
    ) -> Result<Option<Vec<Uuid>>, StoreError> {
        let sql = include_str!("../../sql/queries/question_stands.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID), (&message, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get("files")).transpose()?)
    }

    /// Whether this is an answer of the assistant's that has ended and is not superseded.
    pub async fn answer_stands(&self, session: Uuid, message: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/answer_stands.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID), (&message, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// Notes that a command without a message took effect; the newest `most` are kept.
    pub async fn remember_command(&self, session: Uuid, id: Uuid, most: usize) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/session_remember.sql");
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let task = self.as_task();
        task.execute(sql, &[(&session, Type::UUID), (&id, Type::UUID), (&most, Type::INT4)]).await?;
        Ok(())
    }

    /// Whether there is such a session, whoever's it is.
    pub async fn session_exists(&self, session: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/session_exists.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// How a message of the session, superseded or not, was sent. `None`: it holds none with this id.
    pub async fn message_sent(&self, session: Uuid, message: Uuid) -> Result<Option<Sent>, StoreError> {
        let sql = include_str!("../../sql/queries/message_sent.sql");
        let row = self.as_task().read_opt(sql, &[(&session, Type::UUID), (&message, Type::UUID)]).await?;
        let sent = |row: Row| {
            Ok(Sent {
                by: row.try_get("author_id")?,
                kind: word(&row, "author_kind", AuthorKind::parse)?,
                replaces: row.try_get("replaces")?,
            })
        };
        row.map(sent).transpose()
    }

    /// At start: closes the runs that a crash left open (`streaming` becomes `interrupted`, text
    /// kept). Returns how many.
    pub async fn close_interrupted(&self) -> Result<u64, StoreError> {
        self.as_task().execute(include_str!("../../sql/queries/close_interrupted.sql"), &[]).await
    }

    /// At start: sessions with accepted messages whose run has not begun, the longest waiting first.
    pub async fn sessions_waiting(&self) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.as_task().read(include_str!("../../sql/queries/sessions_waiting.sql"), &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Oldest first, what waits for its run last, superseded ones left out. Also `Before` gives its page
    /// oldest first; its `next` then only says that there are still older ones.
    pub async fn list_messages(
        &self,
        who: Uuid,
        session: Uuid,
        from: MessagesFrom,
        limit: usize,
    ) -> Result<Page<Message, Reached>, StoreError> {
        let more = one_more(limit);
        let after = match from {
            MessagesFrom::Start => Reached::NOTHING,
            MessagesFrom::After(reached) => reached,
            MessagesFrom::Before(message) => {
                let rows = self
                    .as_user(who)
                    .read(
                        include_str!("../../sql/queries/messages_before.sql"),
                        &[(&session, Type::UUID), (&message, Type::UUID), (&more, Type::INT8)],
                    )
                    .await?;
                let mut page = page(rows, limit, woken, |_| Reached::NOTHING)?;
                page.items.reverse();
                return Ok(bare(page));
            }
        };
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/messages_after.sql"),
                &[
                    (&session, Type::UUID),
                    (&after.ord, Type::INT8),
                    (&after.waiting, Type::INT8),
                    (&WAITING, Type::INT8),
                    (&more, Type::INT8),
                ],
            )
            .await?;
        let page = page(rows, limit, woken, |_| ())?;
        let next = page.next.map(|()| after.with(&page.items));
        Ok(bare(Page { items: page.items, next }))
    }

    /// All that was said in a student's sessions: the newest session first, its messages oldest first.
    /// `org` is the organisation of whoever asks.
    pub async fn messages_of_user(
        &self,
        who: Uuid,
        org: Uuid,
        user: Uuid,
        after: Option<(Uuid, Reached)>,
        limit: usize,
    ) -> Result<Page<Message, (Uuid, Reached)>, StoreError> {
        let (session, reached) = after.unzip();
        let reached = reached.unwrap_or(Reached::NOTHING);
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/messages_of_user.sql"),
                &[
                    (&user, Type::UUID),
                    (&session, Type::UUID),
                    (&reached.ord, Type::INT8),
                    (&reached.waiting, Type::INT8),
                    (&WAITING, Type::INT8),
                    (&one_more(limit), Type::INT8),
                    (&who, Type::UUID),
                    (&org, Type::UUID),
                ],
            )
            .await?;
        let page = page(rows, limit, woken, |last| last.message.session_id)?;
        let next = page.next.map(|last| {
            let begun = page.items.iter().position(|item| item.message.session_id == last).unwrap_or(0);
            let before = if session == Some(last) { reached } else { Reached::NOTHING };
            (last, before.with(&page.items[begun..]))
        });
        Ok(bare(Page { items: page.items, next }))
    }

    /// Every message of one run, in order.
    pub async fn run_messages(&self, session: Uuid, run: Uuid) -> Result<Vec<Message>, StoreError> {
        let sql = include_str!("../../sql/queries/messages_of_run.sql");
        let rows = self.as_task().read(sql, &[(&session, Type::UUID), (&run, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(woken(row)?.message)).collect()
    }
}

fn bare<At>(page: Page<WokenMessage, At>) -> Page<Message, At> {
    Page { items: page.items.into_iter().map(|item| item.message).collect(), next: page.next }
}

pub(super) fn woken(row: &Row) -> Result<WokenMessage, StoreError> {
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
    let edits: Option<Uuid> = row.try_get("edits")?;
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
            corrects: edits.filter(|_| kind == AuthorKind::Tutor),
            edits: edits.filter(|_| kind == AuthorKind::Student),
            corrected_by: row.try_get("corrected_by")?,
            created_at: row.try_get("created_at")?,
        },
        ord: row.try_get("ord")?,
        edits,
    })
}

pub(super) fn word<T>(row: &Row, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    parse(text).ok_or_else(|| StoreError::Refused(format!("`{column}` holds a word that is not known")))
}
