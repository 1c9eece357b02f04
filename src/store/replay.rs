//! A session as it streamed, with what tutors did and which signals were shown: for those who watch.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{ActKind, Message, Person, SignalKind, Until, WhisperState};

use super::messages::{woken, word};
use super::paces::{Pace, pace};
use super::sessions::{count, one_more, page};
use super::{Page, Store, StoreError};

#[derive(Clone, Debug)]
pub struct Replayed {
    pub message: Message,
    pub superseded: bool,
    /// `None`: it was not streamed, or how is not known.
    pub pace: Option<Pace>,
}

/// One act on the time line.
#[derive(Clone, Debug)]
pub struct Acted {
    pub id: Uuid,
    pub at: Timestamp,
    pub kind: ActKind,
    pub by: Person,
    pub message: Option<Uuid>,
    pub whisper: Option<(String, Until, WhisperState)>,
}

/// A signal while it was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub kind: SignalKind,
    pub level: u8,
    pub score: u8,
    pub why: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl Store {
    /// Messages by their places, superseded ones too. Nothing for the session's own student.
    pub async fn replay_of(
        &self,
        who: Uuid,
        session: Uuid,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Page<Replayed, i64>, StoreError> {
        let after = after.unwrap_or(i64::MIN);
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/replay_messages.sql"),
                &[
                    (&session, Type::UUID),
                    (&who, Type::UUID),
                    (&after, Type::INT8),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        let page = page(rows, limit, replayed, |(ord, _)| *ord)?;
        Ok(Page { items: page.items.into_iter().map(|(_, item)| item).collect(), next: page.next })
    }

    /// The oldest acts first.
    pub async fn acts_of(&self, who: Uuid, session: Uuid, most: usize) -> Result<Vec<Acted>, StoreError> {
        let sql = include_str!("../../sql/queries/replay_acts.sql");
        let params = [(&session as _, Type::UUID), (&who as _, Type::UUID), (&count(most) as _, Type::INT8)];
        self.as_user(who).read(sql, &params).await?.iter().map(acted).collect()
    }

    /// The oldest signals first.
    pub async fn signals_of(&self, who: Uuid, session: Uuid, most: usize) -> Result<Vec<Shown>, StoreError> {
        let sql = include_str!("../../sql/queries/replay_signals.sql");
        let params = [(&session as _, Type::UUID), (&who as _, Type::UUID), (&count(most) as _, Type::INT8)];
        self.as_user(who).read(sql, &params).await?.iter().map(shown).collect()
    }
}

fn replayed(row: &Row) -> Result<(i64, Replayed), StoreError> {
    let woken = woken(row)?;
    let steps: Option<Vec<i32>> = row.try_get("steps")?;
    let replayed = Replayed {
        message: woken.message,
        superseded: row.try_get("superseded")?,
        pace: steps.as_deref().map(pace),
    };
    Ok((woken.ord, replayed))
}

fn acted(row: &Row) -> Result<Acted, StoreError> {
    let text: Option<String> = row.try_get("text")?;
    let whisper = match text {
        Some(text) => {
            Some((text, word(row, "until", Until::parse)?, word(row, "state", WhisperState::parse)?))
        }
        None => None,
    };
    Ok(Acted {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        kind: word(row, "kind", ActKind::parse)?,
        by: Person { id: row.try_get("actor_id")?, name: row.try_get("actor_name")? },
        message: row.try_get("message_id")?,
        whisper,
    })
}

fn shown(row: &Row) -> Result<Shown, StoreError> {
    Ok(Shown {
        kind: word(row, "kind", SignalKind::parse)?,
        level: small(row, "level")?,
        score: small(row, "score")?,
        why: row.try_get("why")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn small(row: &Row, column: &str) -> Result<u8, StoreError> {
    Ok(u8::try_from(row.try_get::<_, i16>(column)?).unwrap_or(0))
}
