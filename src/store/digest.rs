//! A class's day: who asked, who was helped, and which signals were right.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{ActKind, Person, SignalKind};

use super::messages::word;
use super::{Store, StoreError};

#[derive(Clone, Debug)]
pub struct Digest {
    pub class: Uuid,
    pub name: String,
    pub day: Date,
    /// All students of the class, by name.
    pub students: Vec<DigestStudent>,
    pub signals: BTreeMap<SignalKind, SignalCount>,
}

#[derive(Clone, Debug)]
pub struct DigestStudent {
    pub student: Person,
    /// In which something was asked.
    pub sessions: u64,
    pub questions: u64,
    pub helped: Vec<Helped>,
    pub signals: Vec<DigestSignal>,
}

/// What one person did for a student.
#[derive(Clone, Debug)]
pub struct Helped {
    pub by: Person,
    pub acts: BTreeMap<ActKind, u64>,
}

#[derive(Clone, Debug)]
pub struct DigestSignal {
    pub kind: SignalKind,
    pub times: u64,
    pub first_at: Timestamp,
    /// Of the first.
    pub why: String,
    /// Whether anybody found it useful; `None`: nobody said.
    pub useful: Option<bool>,
}

/// How often a kind was shown, and what was said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalCount {
    pub shown: u64,
    pub useful: u64,
    pub not_useful: u64,
}

impl DigestStudent {
    /// A human was needed and none came.
    pub fn needed_help(&self) -> bool {
        let asks = |signal: &DigestSignal| {
            matches!(signal.kind, SignalKind::Hand | SignalKind::Safety | SignalKind::Struggling)
        };
        self.helped.is_empty() && self.signals.iter().any(asks)
    }
}

impl Store {
    /// Of one day as UTC counts it. `None`: no such class for whoever asks.
    pub async fn digest_of(&self, who: Uuid, class: Uuid, day: Date) -> Result<Option<Digest>, StoreError> {
        let (from, to) = bounds(day)?;
        let params = [
            (&who as _, Type::UUID),
            (&class as _, Type::UUID),
            (&from as _, Type::TIMESTAMPTZ),
            (&to as _, Type::TIMESTAMPTZ),
        ];
        let user = || self.as_user(who);
        let students = user().read(include_str!("../../sql/queries/digest_students.sql"), &params).await?;
        let Some(first) = students.first() else { return Ok(None) };
        let name = first.try_get("class_name")?;
        let acts = user().read(include_str!("../../sql/queries/digest_acts.sql"), &params).await?;
        let signals = user().read(include_str!("../../sql/queries/digest_signals.sql"), &params).await?;
        let mut digest = Digest { class, name, day, students: Vec::new(), signals: BTreeMap::new() };
        for row in &students {
            digest.students.extend(student(row)?);
        }
        for row in &acts {
            digest.act(row)?;
        }
        for row in &signals {
            digest.signal(row)?;
        }
        Ok(Some(digest))
    }
}

impl Digest {
    fn student(&mut self, row: &Row) -> Result<Option<&mut DigestStudent>, StoreError> {
        let id: Uuid = row.try_get("student_id")?;
        Ok(self.students.iter_mut().find(|student| student.student.id == id))
    }

    fn act(&mut self, row: &Row) -> Result<(), StoreError> {
        let by = Person { id: row.try_get("actor_id")?, name: row.try_get("actor_name")? };
        let (kind, times) = (word(row, "kind", ActKind::parse)?, number(row, "times")?);
        let Some(student) = self.student(row)? else { return Ok(()) };
        match student.helped.iter_mut().find(|helped| helped.by.id == by.id) {
            Some(helped) => drop(helped.acts.insert(kind, times)),
            None => student.helped.push(Helped { by, acts: BTreeMap::from([(kind, times)]) }),
        }
        Ok(())
    }

    fn signal(&mut self, row: &Row) -> Result<(), StoreError> {
        let kind = word(row, "kind", SignalKind::parse)?;
        let (times, useful, not_useful) =
            (number(row, "times")?, number(row, "useful")?, number(row, "not_useful")?);
        let signal = DigestSignal {
            kind,
            times,
            first_at: row.try_get("first_at")?,
            why: row.try_get("why")?,
            useful: (useful + not_useful > 0).then_some(useful > 0),
        };
        if let Some(student) = self.student(row)? {
            student.signals.push(signal);
            let count = self.signals.entry(kind).or_default();
            count.shown += times;
            count.useful += useful;
            count.not_useful += not_useful;
        }
        Ok(())
    }
}

/// `None`: the class has no students.
fn student(row: &Row) -> Result<Option<DigestStudent>, StoreError> {
    let Some(id) = row.try_get("student_id")? else { return Ok(None) };
    Ok(Some(DigestStudent {
        student: Person { id, name: row.try_get("student_name")? },
        sessions: number(row, "sessions")?,
        questions: number(row, "questions")?,
        helped: Vec::new(),
        signals: Vec::new(),
    }))
}

fn number(row: &Row, column: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

fn bounds(day: Date) -> Result<(Timestamp, Timestamp), StoreError> {
    let far = |_| StoreError::Refused("a day out of reach".into());
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(far);
    Ok((midnight(day)?, midnight(day.checked_add(1.day()).map_err(far)?)?))
}
