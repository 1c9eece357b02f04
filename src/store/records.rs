//! What is kept about people: consent, what is handed out to them, and how all of it goes.

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};

use super::sessions::count;
use super::{Store, StoreError};

/// What the organisation asks for of somebody, and what was recorded last.
#[derive(Clone, Debug)]
pub struct Consent {
    pub required: bool,
    /// The version that is asked for now.
    pub wanted: String,
    pub recorded: Option<Recorded>,
}

impl Consent {
    /// Whether one is asked for that is not there: the rule of `accounts_standing.sql`.
    pub fn is_missing(&self) -> bool {
        let is_good = |last: &Recorded| last.state == "given" && last.version == self.wanted;
        self.required && !self.recorded.as_ref().is_some_and(is_good)
    }
}

#[derive(Clone, Debug)]
pub struct Recorded {
    /// `given` or `withdrawn`.
    pub state: String,
    /// `school` or `guardian`.
    pub by: String,
    pub version: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewConsent<'a> {
    pub user: Uuid,
    pub state: &'a str,
    pub by: &'a str,
    pub name: &'a str,
    pub version: &'a str,
}

/// What an organisation has decided.
#[derive(Clone, Debug)]
pub struct Policy {
    pub organisation: Uuid,
    pub consent_required: bool,
    /// Only of students who may be younger; `None`: of every one.
    pub consent_below: Option<i16>,
    pub consent_version: String,
    pub show_watchers: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyChange<'a> {
    pub consent_required: Option<bool>,
    pub consent_below: Option<Option<i16>>,
    pub consent_version: Option<&'a str>,
    pub show_watchers: Option<bool>,
}

/// Who deletes an account.
#[derive(Clone, Copy, Debug)]
pub enum Deleter {
    /// Who is no admin.
    Oneself,
    /// Anybody of their organisation, themself too.
    Admin(Uuid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    Done,
    NotFound,
    /// The last admin of the organisation: nobody could run it any more.
    LastAdmin,
}

/// What is charged to a student.
#[derive(Clone, Debug)]
pub struct Used {
    pub subject: Uuid,
    pub is_class: bool,
    pub is_month: bool,
    pub messages: i64,
    pub tokens: i64,
}

/// How much is older than it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overdue {
    pub sessions: i64,
    pub audit: i64,
}

/// One part of what is handed out to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Profile,
    SignIns,
    Classes,
    Consents,
}

impl Store {
    // ── Consent ─────────────────────────────────────────────────────────────────────────────────

    pub async fn consent(&self, of: Uuid) -> Result<Option<Consent>, StoreError> {
        let sql = include_str!("../../sql/queries/consent_get.sql");
        self.as_user(of).read_opt(sql, &[(&of, Type::UUID)]).await?.as_ref().map(consent).transpose()
    }

    /// `None`: there is no such user in the admin's organisation.
    pub async fn record_consent(
        &self,
        admin: Uuid,
        new: &NewConsent<'_>,
    ) -> Result<Option<Consent>, StoreError> {
        let sql = include_str!("../../sql/queries/consent_add.sql");
        let added = self
            .as_admin(admin)
            .execute(
                sql,
                &[
                    (&id::new(), Type::UUID),
                    (&new.user, Type::UUID),
                    (&new.state, Type::TEXT),
                    (&new.by, Type::TEXT),
                    (&new.name, Type::TEXT),
                    (&new.version, Type::TEXT),
                    (&admin, Type::UUID),
                    (&clock::now(), Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        if added == 0 {
            return Ok(None);
        }
        self.consent_of(admin, new.user).await
    }

    /// As an admin of their organisation sees it.
    pub async fn consent_of(&self, admin: Uuid, of: Uuid) -> Result<Option<Consent>, StoreError> {
        let sql = include_str!("../../sql/queries/consent_get.sql");
        self.as_admin(admin).read_opt(sql, &[(&of, Type::UUID)]).await?.as_ref().map(consent).transpose()
    }

    pub async fn policy(&self, admin: Uuid) -> Result<Option<Policy>, StoreError> {
        let sql = include_str!("../../sql/queries/policy_get.sql");
        self.as_admin(admin).read_opt(sql, &[]).await?.as_ref().map(policy).transpose()
    }

    pub async fn change_policy(
        &self,
        admin: Uuid,
        change: PolicyChange<'_>,
    ) -> Result<Option<Policy>, StoreError> {
        let rows = self
            .as_admin(admin)
            .change(
                include_str!("../../sql/queries/policy_change.sql"),
                &[
                    (&change.consent_required, Type::BOOL),
                    (&change.consent_version, Type::TEXT),
                    (&change.show_watchers, Type::BOOL),
                    (&change.consent_below.is_some(), Type::BOOL),
                    (&change.consent_below.flatten(), Type::INT2),
                ],
            )
            .await?;
        rows.first().map(policy).transpose()
    }

    // ── Everything about somebody ───────────────────────────────────────────────────────────────

    /// `who` asks: the person, or an admin of their organisation.
    pub async fn export(&self, who: Uuid, of: Uuid, part: Part) -> Result<Vec<Value>, StoreError> {
        let (sql, as_admin) = match part {
            Part::Profile => (include_str!("../../sql/queries/export_profile.sql"), false),
            Part::Classes => (include_str!("../../sql/queries/export_classes.sql"), false),
            Part::SignIns => (include_str!("../../sql/queries/export_sign_ins.sql"), who != of),
            Part::Consents => (include_str!("../../sql/queries/export_consents.sql"), who != of),
        };
        let scope = if as_admin { self.as_admin(who) } else { self.as_user(who) };
        let rows = scope.read(sql, &[(&of, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Rows of the audit about somebody, the oldest first.
    pub async fn export_audit(
        &self,
        who: Uuid,
        of: Uuid,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<Value>, StoreError> {
        let sql = include_str!("../../sql/queries/export_audit.sql");
        let scope = if who == of { self.as_user(who) } else { self.as_admin(who) };
        let params = [(&of as _, Type::UUID), (&after as _, Type::UUID), (&count(most) as _, Type::INT8)];
        scope.read(sql, &params).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub async fn export_sessions(
        &self,
        who: Uuid,
        of: Uuid,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<Value>, StoreError> {
        let sql = include_str!("../../sql/queries/export_sessions.sql");
        let params = [(&of as _, Type::UUID), (&after as _, Type::UUID), (&count(most) as _, Type::INT8)];
        self.as_user(who).read(sql, &params).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Messages with their places.
    pub async fn export_messages(
        &self,
        who: Uuid,
        session: Uuid,
        after: i64,
        most: usize,
    ) -> Result<Vec<(i64, Value)>, StoreError> {
        let sql = include_str!("../../sql/queries/export_messages.sql");
        let params =
            [(&session as _, Type::UUID), (&after as _, Type::INT8), (&count(most) as _, Type::INT8)];
        let rows = self.as_user(who).read(sql, &params).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    // ── The end of an account ───────────────────────────────────────────────────────────────────

    pub async fn sessions_of(&self, who: Uuid, of: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/account_sessions.sql");
        let rows = self.as_user(who).read(sql, &[(&of, Type::UUID)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Deletes an account with all that hangs on it. Their sessions must hold still (`Registry::delete_with`).
    /// Without `really` it only says what would come of it.
    pub async fn delete_account(&self, by: Deleter, of: Uuid, really: bool) -> Result<Deletion, StoreError> {
        let sql = include_str!("../../sql/queries/account_delete.sql");
        let scope = match by {
            Deleter::Oneself => self.as_user(of),
            Deleter::Admin(admin) => self.as_admin(admin),
        };
        let rows = scope.change(sql, &[(&of, Type::UUID), (&really, Type::BOOL)]).await?;
        let Some(row) = rows.first() else { return Ok(Deletion::NotFound) };
        if row.try_get("last")? {
            return Ok(Deletion::LastAdmin);
        }
        if !really {
            return Ok(Deletion::Done);
        }
        if !row.try_get("gone")? {
            return Ok(Deletion::NotFound);
        }
        self.forget_use(Some(of)).await?;
        Ok(Deletion::Done)
    }

    /// What was counted for somebody, and what was counted in months that are over.
    async fn forget_use(&self, of: Option<Uuid>) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/quota_forget.sql");
        let days = jiff::SignedDuration::from_hours(24 * 62);
        let before = clock::now().saturating_sub(days).unwrap_or(Timestamp::MIN);
        let before = before.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.as_jobs().execute(sql, &[(&of, Type::UUID), (&before, Type::DATE)]).await?;
        Ok(())
    }

    // ── What is used up ─────────────────────────────────────────────────────────────────────────

    /// What an answer used that has no row any more.
    pub async fn charge(&self, student: Uuid, tokens: i64) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/quota_charge.sql");
        let today = clock::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let params = [(&student as _, Type::UUID), (&tokens as _, Type::INT8), (&today as _, Type::DATE)];
        self.as_task().execute(sql, &params).await?;
        Ok(())
    }

    pub async fn used(&self, who: Uuid) -> Result<Vec<Used>, StoreError> {
        let sql = include_str!("../../sql/queries/quota_use.sql");
        let today = clock::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let rows = self.as_user(who).read(sql, &[(&who, Type::UUID), (&today, Type::DATE)]).await?;
        rows.iter()
            .map(|row| {
                Ok(Used {
                    subject: row.try_get("subject")?,
                    is_class: row.try_get("is_class")?,
                    is_month: row.try_get::<_, &str>("span")? == "month",
                    messages: row.try_get("messages")?,
                    tokens: row.try_get("tokens")?,
                })
            })
            .collect()
    }

    // ── What is too old ─────────────────────────────────────────────────────────────────────────

    /// Sessions in which nothing happened since; none while another server looks.
    pub async fn outdated_sessions(&self, before: Timestamp, most: usize) -> Result<Vec<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/retention_sessions.sql");
        let params = [(&before as _, Type::TIMESTAMPTZ), (&count(most) as _, Type::INT8)];
        let rows = self.as_jobs().change(sql, &params).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Those of them that still are that old. Their tasks must hold still (`Registry::delete_with`).
    pub async fn delete_outdated(&self, ids: &[Uuid], before: Timestamp) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/retention_delete.sql");
        self.as_jobs().execute(sql, &[(&ids, Type::UUID_ARRAY), (&before, Type::TIMESTAMPTZ)]).await
    }

    /// Rows of the audit, so many at most. Returns how many went.
    pub async fn delete_audit(&self, before: Timestamp, most: usize) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/retention_audit.sql");
        let params = [(&before as _, Type::TIMESTAMPTZ), (&count(most) as _, Type::INT8)];
        self.as_jobs().execute(sql, &params).await
    }

    pub async fn forget_old_use(&self) -> Result<(), StoreError> {
        self.forget_use(None).await
    }

    /// How much is older than these times.
    pub async fn overdue(
        &self,
        sessions: Option<Timestamp>,
        audit: Option<Timestamp>,
    ) -> Result<Overdue, StoreError> {
        let sql = include_str!("../../sql/queries/retention_overdue.sql");
        let params = [(&sessions as _, Type::TIMESTAMPTZ), (&audit as _, Type::TIMESTAMPTZ)];
        let row = self.as_jobs().read_opt(sql, &params).await?;
        let row = row.ok_or_else(|| StoreError::Refused("no row was counted".into()))?;
        Ok(Overdue { sessions: row.try_get("sessions")?, audit: row.try_get("audit")? })
    }
}

fn consent(row: &Row) -> Result<Consent, StoreError> {
    let state: Option<String> = row.try_get("state")?;
    let recorded = match state {
        None => None,
        Some(state) => Some(Recorded {
            state,
            by: row.try_get("given_by")?,
            version: row.try_get("version")?,
            at: row.try_get("at")?,
        }),
    };
    Ok(Consent { required: row.try_get("required")?, wanted: row.try_get("wanted")?, recorded })
}

fn policy(row: &Row) -> Result<Policy, StoreError> {
    Ok(Policy {
        organisation: row.try_get("id")?,
        consent_required: row.try_get("consent_required")?,
        consent_below: row.try_get("consent_below")?,
        consent_version: row.try_get("consent_version")?,
        show_watchers: row.try_get("show_watchers")?,
    })
}
