//! Sessions, as the doors ask for them.

use serde::{Deserialize, Serialize};
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

/// Whose sessions a list shows beside those of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionsOf {
    Nobody,
    /// The students that they teach, in this organisation.
    Taught(Uuid),
    Organisation(Uuid),
}

/// A session, with what it takes to say what somebody is to it.
#[derive(Clone, Debug)]
pub struct SeenSession {
    pub session: Session,
    pub org_id: Uuid,
    /// Whether whoever asks is a tutor of a class of its student.
    pub taught: bool,
}

/// A person, with what it takes to say what somebody is to them.
#[derive(Clone, Copy, Debug)]
pub struct SeenPerson {
    pub id: Uuid,
    pub org_id: Uuid,
    pub taught: bool,
}

/// A session's place in the list: when it was touched last, and its id.
type Place = (Timestamp, Uuid);

fn place(session: &Session) -> Place {
    (session.updated_at, session.id)
}

/// How far a list of sessions has come.
///
/// A student looks for what they did last, so the list goes by activity, as every list of chats does;
/// but then a session that is touched between two pages leaves its place for the front, where it was
/// perhaps not yet when the first page was read. So the list goes down from `top`, the newest of its
/// first page, and ends with what has been touched since: upwards, where nothing that moves is passed
/// by. Nothing is missed (touches are committed in the order of their times, but for milliseconds), and
/// what was listed before it was touched comes once more. While more sessions are touched than pages hold, the list
/// goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    top: Place,
    /// The last one on the way down; none when only what was touched since is left.
    below: Option<Place>,
}

/// Which sessions a list shows.
struct Wanted {
    /// Those of the students that whoever asks teaches, in `org`.
    taught: bool,
    /// Those of this organisation.
    all: Option<Uuid>,
    org: Option<Uuid>,
    pattern: Option<String>,
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
        Ok(self.seen_session(who, id).await?.map(|seen| seen.session))
    }

    /// Whether this person may see it is for `auth::access` to say.
    pub async fn seen_session(&self, who: Uuid, id: Uuid) -> Result<Option<SeenSession>, StoreError> {
        let sql = include_str!("../../sql/queries/session_seen.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&id, Type::UUID)]).await?;
        let Some(row) = row else { return Ok(None) };
        let (org_id, taught) = (row.try_get("org_id")?, row.try_get("taught")?);
        Ok(Some(SeenSession { session: session(&row)?, org_id, taught }))
    }

    pub async fn seen_person(&self, who: Uuid, id: Uuid) -> Result<Option<SeenPerson>, StoreError> {
        let sql = include_str!("../../sql/queries/person_seen.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&id, Type::UUID)]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SeenPerson {
            id: row.try_get("id")?,
            org_id: row.try_get("org_id")?,
            taught: row.try_get("taught")?,
        }))
    }

    /// Those of these pairs of a sign-in and a session in which the one may still watch the other.
    pub async fn observed(&self, pairs: &[(Uuid, Uuid)]) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
        let (sign_ins, sessions): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().copied().unzip();
        let rows = self
            .at_the_door()
            .read(
                include_str!("../../sql/queries/sessions_observed.sql"),
                &[(&sign_ins, Type::UUID_ARRAY), (&sessions, Type::UUID_ARRAY)],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get("sign_in")?, row.try_get("session")?))).collect()
    }

    /// The most recently active first; `search` looks into title and subject, whatever the case. Then,
    /// on the last page, what was touched since the first one: see `Listed`.
    pub async fn list_sessions(
        &self,
        who: Uuid,
        of: SessionsOf,
        search: Option<&str>,
        after: Option<Listed>,
        limit: usize,
    ) -> Result<Page<Session, Listed>, StoreError> {
        let (taught, all, org) = match of {
            SessionsOf::Nobody => (false, None, None),
            SessionsOf::Taught(org) => (true, None, Some(org)),
            SessionsOf::Organisation(org) => (false, Some(org), Some(org)),
        };
        let of = Wanted { taught, all, org, pattern: search.map(pattern_for) };
        let down = include_str!("../../sql/queries/session_list.sql");
        let up = include_str!("../../sql/queries/session_list_touched.sql");
        let (top, mut items) = match after {
            None => {
                let page = self.part_of_list(who, down, &of, None, limit).await?;
                let top = page.items.first().map(place);
                let next = page.next.zip(top).map(|(last, top)| Listed { top, below: Some(last) });
                return Ok(Page { items: page.items, next });
            }
            Some(Listed { top, below: Some(below) }) => {
                let page = self.part_of_list(who, down, &of, Some(below), limit).await?;
                if page.next.is_some() {
                    let next = page.next.map(|last| Listed { top, below: Some(last) });
                    return Ok(Page { items: page.items, next });
                }
                (top, page.items)
            }
            Some(Listed { top, below: None }) => (top, Vec::new()),
        };
        let room = limit - items.len();
        // With no room at all, one is looked for to know whether another page follows.
        let mut touched = self.part_of_list(who, up, &of, Some(top), room.max(1)).await?;
        let more = touched.next.is_some() || touched.items.len() > room;
        touched.items.truncate(room);
        let top = touched.items.last().map_or(top, place);
        items.retain(|item| !touched.items.iter().any(|touched| touched.id == item.id));
        items.extend(touched.items);
        Ok(Page { items, next: more.then_some(Listed { top, below: None }) })
    }

    async fn part_of_list(
        &self,
        who: Uuid,
        sql: &str,
        of: &Wanted,
        from: Option<Place>,
        limit: usize,
    ) -> Result<Page<Session, Place>, StoreError> {
        let (at, id) = from.unzip();
        let rows = self
            .as_user(who)
            .read(
                sql,
                &[
                    (&who, Type::UUID),
                    (&of.taught, Type::BOOL),
                    (&of.all, Type::UUID),
                    (&of.org, Type::UUID),
                    (&of.pattern, Type::TEXT),
                    (&at, Type::TIMESTAMPTZ),
                    (&id, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, session, place)
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
pub(super) fn pattern_for(search: &str) -> String {
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
