//! What tutors do to a session, as its task keeps it, and what they read of it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::protocol::{ActKind, Person, SignalKind, Until, WhisperKind, WhisperState, Whispered};

use super::messages::word;
use super::sessions::{one_more, page};
use super::{Page, Store, StoreError};

/// Something to be kept beside the messages. Each may be kept again: that changes nothing.
#[derive(Clone, Debug)]
pub enum TutorRow {
    Whisper(NewWhisper),
    /// It was refused, and may be there all the same, or yet come.
    WhisperTakenBack {
        whisper: NewWhisper,
        at: Timestamp,
    },
    /// Of one that waits; what has ended stays as it ended.
    WhisperEnded {
        session: Uuid,
        id: Uuid,
        state: WhisperState,
        run: Option<Uuid>,
        at: Timestamp,
    },
    /// `by`: the tutor who holds it; `None`: the model. Taken only if `epoch` is higher than the row's.
    Control {
        session: Uuid,
        by: Option<Uuid>,
        epoch: i64,
    },
    /// Of a hand that is up.
    Claim {
        session: Uuid,
        by: Option<Uuid>,
        at: Timestamp,
    },
    Act(NewAct),
    SignalBegan(NewSignal),
    SignalEnded {
        id: Uuid,
        at: Timestamp,
    },
}

#[derive(Clone)]
pub struct NewWhisper {
    pub id: Uuid,
    pub session: Uuid,
    pub tutor: Uuid,
    pub text: Arc<str>,
    pub until: Until,
    pub kind: WhisperKind,
    pub at: Timestamp,
}

impl fmt::Debug for NewWhisper {
    /// Without its words: they belong into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWhisper")
            .field("id", &self.id)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub struct NewAct {
    pub id: Uuid,
    pub session: Uuid,
    pub actor: Uuid,
    pub kind: ActKind,
    pub message: Option<Uuid>,
    pub whisper: Option<Uuid>,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewSignal {
    pub id: Uuid,
    pub session: Uuid,
    pub kind: SignalKind,
    pub level: u8,
    pub score: u8,
    pub why: String,
    pub at: Timestamp,
}

/// What one tutor thinks of one kind of signal on one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub session: Uuid,
    pub kind: SignalKind,
    pub useful: Option<bool>,
    pub muted_until: Option<Timestamp>,
    /// When they dealt with what was signalled.
    pub dealt_at: Option<Timestamp>,
}

/// `None`: stays as it is; `Some(None)`: is taken back.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarkChange {
    pub useful: Option<Option<bool>>,
    pub muted_until: Option<Option<Timestamp>>,
    /// What was signalled until now is dealt with.
    pub dealt_with: bool,
}

impl Store {
    /// Keeps all of it or nothing, as the session's task. `Missing`: the session is gone.
    pub async fn keep_tutoring(&self, rows: &[TutorRow]) -> Result<(), StoreError> {
        let kept: Vec<(&str, Json<Vec<Value>>)> = KEEPS
            .iter()
            .map(|(sql, value)| (*sql, rows.iter().filter_map(value).collect::<Vec<Value>>()))
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(sql, rows)| (sql, Json(rows)))
            .collect();
        let asked: Vec<_> = kept.iter().map(|(sql, rows)| (*sql, rows as &(dyn ToSql + Sync))).collect();
        self.as_task().execute_all(&asked).await
    }

    /// At start: sessions that a tutor holds.
    pub async fn sessions_held(&self) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.as_task().read(include_str!("../../sql/queries/sessions_held.sql"), &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// At start: the end of the signals that a process which is gone left open. Returns how many.
    pub async fn close_signals(&self) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/signals_close_interrupted.sql");
        self.as_task().execute(sql, &[(&clock::now(), Type::TIMESTAMPTZ)]).await
    }

    /// A session's whispers, the newest first; none for its own student.
    pub async fn whispers_of(
        &self,
        who: Uuid,
        session: Uuid,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Whispered, Uuid>, StoreError> {
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/whispers_list.sql"),
                &[
                    (&session, Type::UUID),
                    (&who, Type::UUID),
                    (&after, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, whispered, |last| last.id)
    }

    /// Mutes a kind of signal, or says whether it was useful. `None`: no such session, or one's own.
    pub async fn mark_signal(
        &self,
        who: Uuid,
        session: Uuid,
        kind: SignalKind,
        change: MarkChange,
    ) -> Result<Option<Mark>, StoreError> {
        let rows = self
            .as_user(who)
            .change(
                include_str!("../../sql/queries/signal_mark.sql"),
                &[
                    (&session, Type::UUID),
                    (&kind.as_str(), Type::TEXT),
                    (&who, Type::UUID),
                    (&change.useful.is_some(), Type::BOOL),
                    (&change.useful.flatten(), Type::BOOL),
                    (&change.muted_until.is_some(), Type::BOOL),
                    (&change.muted_until.flatten(), Type::TIMESTAMPTZ),
                    (&clock::now(), Type::TIMESTAMPTZ),
                    (&change.dealt_with, Type::BOOL),
                ],
            )
            .await?;
        rows.first().map(mark).transpose()
    }

    /// What somebody has muted and not seen come back, or marked, the newest first.
    pub async fn marks_of(&self, who: Uuid, limit: usize) -> Result<Vec<Mark>, StoreError> {
        let sql = include_str!("../../sql/queries/signal_marks.sql");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.as_user(who).read(sql, &[(&who, Type::UUID), (&limit, Type::INT8)]).await?;
        rows.iter().map(mark).collect()
    }
}

/// A statement, and what of a row goes into it, if anything.
type Keep = (&'static str, fn(&TutorRow) -> Option<Value>);

/// Each statement takes its rows as one array of objects; in this order.
const KEEPS: [Keep; 8] = [
    (include_str!("../../sql/queries/tutor_whispers.sql"), |row| match row {
        TutorRow::Whisper(new) => Some(json!({
            "id": new.id, "session": new.session, "tutor": new.tutor, "text": &*new.text, "until": new.until,
            "kind": new.kind, "at": new.at,
        })),
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_whispers_taken_back.sql"), |row| match row {
        TutorRow::WhisperTakenBack { whisper: new, at } => Some(json!({
            "id": new.id, "session": new.session, "tutor": new.tutor, "text": &*new.text, "until": new.until,
            "kind": new.kind, "at": new.at, "ended": at,
        })),
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_whispers_ended.sql"), |row| match row {
        TutorRow::WhisperEnded { session, id, state, run, at } => {
            Some(json!({"session": session, "id": id, "state": state, "run": run, "at": at}))
        }
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_control.sql"), |row| match row {
        TutorRow::Control { session, by, epoch } => {
            Some(json!({"session": session, "by": by, "epoch": epoch}))
        }
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_claims.sql"), |row| match row {
        TutorRow::Claim { session, by, at } => Some(json!({"session": session, "by": by, "at": at})),
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_acts.sql"), |row| match row {
        TutorRow::Act(new) => Some(json!({
            "id": new.id, "session": new.session, "actor": new.actor, "kind": new.kind,
            "message": new.message, "whisper": new.whisper, "at": new.at,
        })),
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_signals.sql"), |row| match row {
        TutorRow::SignalBegan(new) => Some(json!({
            "id": new.id, "session": new.session, "kind": new.kind, "level": new.level, "score": new.score,
            "why": new.why, "at": new.at,
        })),
        _ => None,
    }),
    (include_str!("../../sql/queries/tutor_signals_ended.sql"), |row| match row {
        TutorRow::SignalEnded { id, at } => Some(json!({"id": id, "at": at})),
        _ => None,
    }),
];

fn whispered(row: &Row) -> Result<Whispered, StoreError> {
    Ok(Whispered {
        id: row.try_get("id")?,
        by: Person { id: row.try_get("tutor_id")?, name: row.try_get("tutor_name")? },
        text: row.try_get("text")?,
        until: word(row, "until", Until::parse)?,
        kind: word(row, "kind", WhisperKind::parse)?,
        state: word(row, "state", WhisperState::parse)?,
        at: row.try_get("created_at")?,
    })
}

fn mark(row: &Row) -> Result<Mark, StoreError> {
    Ok(Mark {
        session: row.try_get("session_id")?,
        kind: word(row, "kind", SignalKind::parse)?,
        useful: row.try_get("useful")?,
        muted_until: row.try_get("muted_until")?,
        dealt_at: row.try_get("dealt_at")?,
    })
}

/// The whispers that wait, as a waking session gets them.
pub(super) fn whispers(row: &Row) -> Result<Vec<Whispered>, StoreError> {
    #[derive(Deserialize)]
    struct Waiting {
        id: Uuid,
        tutor_id: Uuid,
        tutor_name: String,
        text: String,
        until: Until,
        kind: WhisperKind,
        created_at: Timestamp,
    }
    let Json(waiting): Json<Vec<Waiting>> = row.try_get("whispers")?;
    let waiting = waiting.into_iter().map(|row| Whispered {
        id: row.id,
        by: Person { id: row.tutor_id, name: row.tutor_name },
        text: row.text,
        until: row.until,
        kind: row.kind,
        state: WhisperState::Waiting,
        at: row.created_at,
    });
    Ok(waiting.collect())
}

/// Who dealt with the session's last signal of safety, and when.
pub(super) fn dealt_with(row: &Row) -> Result<Option<(Person, Timestamp)>, StoreError> {
    let by: Option<Uuid> = row.try_get("dealt_by")?;
    by.map(|id| Ok((Person { id, name: row.try_get("dealt_name")? }, row.try_get("dealt_at")?))).transpose()
}

/// Who has taken over, and the number of that change.
pub(super) fn held(row: &Row) -> Result<Option<(Person, i64)>, StoreError> {
    let by: Option<Uuid> = row.try_get("control_by")?;
    let Some(id) = by.filter(|_| row.try_get::<_, &str>("control").is_ok_and(|control| control == "tutor"))
    else {
        return Ok(None);
    };
    Ok(Some((Person { id, name: row.try_get("control_name")? }, row.try_get("control_epoch")?)))
}
