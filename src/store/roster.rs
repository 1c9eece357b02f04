//! What a roster shows, and to whom: the classes of those who watch, and sessions that are not in memory.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{HandUp, Person};

use super::{Store, StoreError};

/// What somebody with a roster may see now, by their sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterScope {
    pub sign_in: Uuid,
    pub user: Uuid,
    pub org: Uuid,
    /// All students of the organisation; otherwise those of `classes`.
    pub is_admin: bool,
    /// Those that they teach; of an admin all of the organisation. By name.
    pub classes: Vec<RosterClass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterClass {
    pub id: Uuid,
    pub name: String,
    pub students: Vec<Uuid>,
}

/// A session as its rows tell it.
#[derive(Clone, Debug)]
pub struct RosterRow {
    pub session: Uuid,
    pub org: Uuid,
    pub student: Person,
    pub title: Option<String>,
    pub subject: Option<String>,
    /// Who has taken over.
    pub tutor: Option<Person>,
    pub hand: Option<HandUp>,
    pub updated_at: Timestamp,
    /// Questions that were asked.
    pub turns: u64,
    /// The end of the newest message.
    pub preview: String,
}

impl Store {
    /// Of these sign-ins those that may have a roster, with what it shows. Whoever is missing may not any
    /// more: signed out, disabled, or a student by now.
    pub async fn roster_scopes(&self, sign_ins: &[Uuid]) -> Result<Vec<RosterScope>, StoreError> {
        let sql = include_str!("../../sql/queries/roster_scopes.sql");
        let rows = self.at_the_door().read(sql, &[(&sign_ins, Type::UUID_ARRAY)]).await?;
        let mut scopes: Vec<RosterScope> = Vec::new();
        let mut places: HashMap<Uuid, usize> = HashMap::new();
        for row in &rows {
            let sign_in: Uuid = row.try_get("sign_in")?;
            let place = match places.get(&sign_in) {
                Some(place) => *place,
                None => {
                    scopes.push(RosterScope {
                        sign_in,
                        user: row.try_get("user_id")?,
                        org: row.try_get("org_id")?,
                        is_admin: row.try_get("is_admin")?,
                        classes: Vec::new(),
                    });
                    places.insert(sign_in, scopes.len() - 1);
                    scopes.len() - 1
                }
            };
            if let Some(id) = row.try_get("class_id")? {
                let (name, students) = (row.try_get("class_name")?, row.try_get("students")?);
                scopes[place].classes.push(RosterClass { id, name, students });
            }
        }
        Ok(scopes)
    }

    /// Sessions of the students of whoever asks, of this organisation, that were touched since, or whose
    /// hand is up, or that a tutor holds; the newest first.
    pub async fn roster_rest(
        &self,
        who: Uuid,
        org: Uuid,
        since: Timestamp,
    ) -> Result<Vec<RosterRow>, StoreError> {
        let sql = include_str!("../../sql/queries/roster_rest.sql");
        let params = [(&who as _, Type::UUID), (&org as _, Type::UUID), (&since as _, Type::TIMESTAMPTZ)];
        self.as_user(who).read(sql, &params).await?.iter().map(roster_row).collect()
    }
}

fn roster_row(row: &Row) -> Result<RosterRow, StoreError> {
    let tutor: Option<Uuid> = row.try_get("control_by")?;
    let name: String = row.try_get("control_name")?;
    Ok(RosterRow {
        session: row.try_get("id")?,
        org: row.try_get("org_id")?,
        student: Person { id: row.try_get("student_id")?, name: row.try_get("student_name")? },
        title: row.try_get("title")?,
        subject: row.try_get("subject")?,
        tutor: tutor.map(|id| Person { id, name }),
        hand: hand(row)?,
        updated_at: row.try_get("updated_at")?,
        turns: u64::try_from(row.try_get::<_, i64>("turns")?).unwrap_or(0),
        preview: row.try_get("preview")?,
    })
}

/// A raised hand and who comes.
pub(super) fn hand(row: &Row) -> Result<Option<HandUp>, StoreError> {
    if !row.try_get::<_, bool>("hand_raised")? {
        return Ok(None);
    }
    // A hand that went up under an older version has no time.
    let since: Option<Timestamp> = row.try_get("hand_raised_at")?;
    let since = since.map_or_else(|| row.try_get("updated_at"), Ok)?;
    let claimed_by: Option<Uuid> = row.try_get("hand_claimed_by")?;
    let name: String = row.try_get("claimed_name")?;
    Ok(Some(HandUp { since, claimed_by: claimed_by.map(|id| Person { id, name }) }))
}
