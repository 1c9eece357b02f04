//! The rows of people, their sign-ins, refresh tokens and tickets. Secrets arrive hashed.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{AgeBand, Role};

use super::{Store, StoreError};

#[derive(Clone, Debug)]
pub struct Account {
    pub id: Uuid,
    pub email: String,
    pub role: Role,
    /// May be empty.
    pub display_name: String,
    pub locale: String,
    pub grade: Option<String>,
    pub age_band: AgeBand,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug)]
pub struct NewAccount<'a> {
    pub id: Uuid,
    /// In lower case.
    pub email: &'a str,
    pub password_hash: &'a str,
    pub role: Role,
    pub display_name: &'a str,
    /// Of the class, and so of the organisation, that the account is born in.
    pub join_code: Option<&'a str>,
    pub now: Timestamp,
}

/// What became of a new account.
#[derive(Debug)]
pub enum Created {
    Done(Account),
    /// The address has an account.
    Taken,
    /// No class has that join code.
    NoClass,
}

/// An account with what a sign-in is checked against.
pub struct Credentials {
    pub account: Account,
    /// `None`: this account has no password here.
    pub password_hash: Option<String>,
    /// Rises with every change of them; a sign-in belongs to one number.
    pub number: i32,
    pub disabled: bool,
}

/// A sign-in that begins.
#[derive(Debug)]
pub struct NewSignIn<'a> {
    pub id: Uuid,
    pub user: Uuid,
    /// `Credentials::number`, as it was when they were looked at.
    pub number: i32,
    /// What its owner knows the device by.
    pub label: &'a str,
    pub refresh: &'a [u8],
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// `None` leaves a value as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub grade: Option<Option<String>>,
}

/// What a sign-in is worth now.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub id: Uuid,
    pub user_id: Uuid,
    pub org_id: Uuid,
    pub role: Role,
    pub name: String,
    pub ended: bool,
    pub disabled: bool,
    /// A student of whom the organisation asks a consent that is not there.
    pub mute: bool,
}

#[derive(Debug)]
pub enum Rotation {
    Done {
        sign_in: Uuid,
        user: Uuid,
        email: String,
        role: Role,
    },
    /// It was used before: its whole sign-in has been ended.
    Reused {
        sign_in: Uuid,
    },
    /// Unknown, expired, signed out or disabled.
    Refused,
}

/// Somebody of Supabase's, as a token of theirs names them.
#[derive(Debug)]
pub struct Sight<'a> {
    pub user: Uuid,
    pub sign_in: Uuid,
    pub issuer: &'a str,
    /// In lower case.
    pub email: &'a str,
    /// For the first time.
    pub role: Role,
    pub now: Timestamp,
}

/// What was written down of somebody of Supabase's.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub person_is_new: bool,
    pub sign_in_is_new: bool,
}

#[derive(Debug)]
pub struct NewTicket<'a> {
    pub user: Uuid,
    pub sign_in: Uuid,
    pub origin: Option<&'a str>,
    pub token_expires_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug)]
pub struct Ticket {
    pub sign_in: SignIn,
    pub origin: Option<String>,
    pub token_expires_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Store {
    pub async fn create_account(&self, new: NewAccount<'_>) -> Result<Created, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_create.sql"),
                &[
                    (&new.id, Type::UUID),
                    (&new.email, Type::TEXT),
                    (&new.password_hash, Type::TEXT),
                    (&new.role.as_str(), Type::TEXT),
                    (&new.display_name, Type::TEXT),
                    (&new.now, Type::TIMESTAMPTZ),
                    (&new.join_code, Type::TEXT),
                ],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(Created::Taken) };
        Ok(match (row.try_get::<_, Option<Uuid>>("id")?, row.try_get("code_known")?) {
            (Some(_), _) => Created::Done(read_account(row)?),
            (None, true) => Created::Taken,
            (None, false) => Created::NoClass,
        })
    }

    pub async fn account(&self, who: Uuid, id: Uuid) -> Result<Option<Account>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_get.sql");
        self.as_user(who).read_opt(sql, &[(&id, Type::UUID)]).await?.as_ref().map(read_account).transpose()
    }

    /// The organisation of somebody whom this person may see.
    pub async fn organisation_of(&self, who: Uuid, id: Uuid) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_org.sql");
        let row = self.as_user(who).read_opt(sql, &[(&id, Type::UUID)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    pub async fn credentials(&self, email: &str) -> Result<Option<Credentials>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_credentials.sql");
        let Some(row) = self.at_the_door().read_opt(sql, &[(&email, Type::TEXT)]).await? else {
            return Ok(None);
        };
        Ok(Some(Credentials {
            account: read_account(&row)?,
            password_hash: row.try_get("password_hash")?,
            number: row.try_get("credentials_no")?,
            disabled: row.try_get("disabled")?,
        }))
    }

    pub async fn change_profile(
        &self,
        id: Uuid,
        change: &ProfileChange,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let rows = self
            .as_user(id)
            .change(
                include_str!("../../sql/queries/accounts_profile.sql"),
                &[
                    (&id, Type::UUID),
                    (&change.display_name.is_some(), Type::BOOL),
                    (&change.display_name, Type::TEXT),
                    (&change.locale.is_some(), Type::BOOL),
                    (&change.locale, Type::TEXT),
                    (&change.grade.is_some(), Type::BOOL),
                    (&change.grade.as_ref().and_then(Option::as_ref), Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        rows.first().map(read_account).transpose()
    }

    /// A sign-in with its first refresh token. False: the account was disabled, or what one signs in
    /// with was changed, since it was looked at.
    pub async fn start_sign_in(&self, new: &NewSignIn<'_>) -> Result<bool, StoreError> {
        let begun = self
            .at_the_door()
            .execute(
                include_str!("../../sql/queries/accounts_sign_in.sql"),
                &[
                    (&new.id, Type::UUID),
                    (&new.user, Type::UUID),
                    (&new.refresh, Type::BYTEA),
                    (&new.now, Type::TIMESTAMPTZ),
                    (&new.expires_at, Type::TIMESTAMPTZ),
                    (&new.label, Type::TEXT),
                    (&new.number, Type::INT4),
                ],
            )
            .await?;
        Ok(begun > 0)
    }

    /// Those of these sign-ins that exist.
    pub async fn sign_ins(&self, ids: &[Uuid]) -> Result<Vec<SignIn>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_standing.sql");
        let rows = self.at_the_door().read(sql, &[(&ids, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| read_sign_in(row, row.try_get("id")?)).collect()
    }

    /// Trades a refresh token for the next one. A used one ends its sign-in: either the thief or the
    /// owner comes second, and nobody can tell which. A sign-in that began before `oldest` is over.
    pub async fn rotate_refresh(
        &self,
        old: &[u8],
        new: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
        oldest: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_refresh_rotate.sql"),
                &[
                    (&old, Type::BYTEA),
                    (&new, Type::BYTEA),
                    (&now, Type::TIMESTAMPTZ),
                    (&expires_at, Type::TIMESTAMPTZ),
                    (&oldest, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(Rotation::Refused) };
        let sign_in = row.try_get("sign_in_id")?;
        if row.try_get("good")? {
            let (user, email) = (row.try_get("user_id")?, row.try_get("email")?);
            return Ok(Rotation::Done { sign_in, user, email, role: read_role(row)? });
        }
        Ok(if row.try_get("used")? { Rotation::Reused { sign_in } } else { Rotation::Refused })
    }

    /// Writes somebody of Supabase's down. `None`: they were deleted here, or their id is a local
    /// account's.
    pub async fn sight(&self, sight: &Sight<'_>) -> Result<Option<Seen>, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_sight.sql"),
                &[
                    (&sight.user, Type::UUID),
                    (&sight.email, Type::TEXT),
                    (&sight.role.as_str(), Type::TEXT),
                    (&sight.issuer, Type::TEXT),
                    (&sight.sign_in, Type::UUID),
                    (&sight.now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        let seen = |row: &Row| {
            Ok(Seen { person_is_new: row.try_get("made")?, sign_in_is_new: row.try_get("began")? })
        };
        rows.first().map(seen).transpose()
    }

    /// Remembers which sign-in a refresh token of Supabase's belongs to.
    pub async fn keep_refresh(
        &self,
        hash: &[u8],
        sign_in: Uuid,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.at_the_door()
            .execute(
                include_str!("../../sql/queries/accounts_refresh_keep.sql"),
                &[
                    (&hash, Type::BYTEA),
                    (&sign_in, Type::UUID),
                    (&now, Type::TIMESTAMPTZ),
                    (&expires_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(())
    }

    /// The sign-in that a refresh token of Supabase's belongs to.
    pub async fn sign_in_of_refresh(&self, hash: &[u8]) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_refresh_family.sql");
        let row = self.at_the_door().read_opt(sql, &[(&hash, Type::BYTEA)]).await?;
        Ok(row.map(|row| row.try_get("sign_in_id")).transpose()?)
    }

    pub async fn end_sign_in(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/accounts_sign_out.sql");
        self.at_the_door().execute(sql, &[(&id, Type::UUID), (&now, Type::TIMESTAMPTZ)]).await?;
        Ok(())
    }

    pub async fn keep_ticket(&self, hash: &[u8], ticket: &NewTicket<'_>) -> Result<(), StoreError> {
        self.at_the_door()
            .execute(
                include_str!("../../sql/queries/accounts_ticket_keep.sql"),
                &[
                    (&hash, Type::BYTEA),
                    (&ticket.user, Type::UUID),
                    (&ticket.sign_in, Type::UUID),
                    (&ticket.origin, Type::TEXT),
                    (&ticket.token_expires_at, Type::TIMESTAMPTZ),
                    (&ticket.expires_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(())
    }

    /// Takes the ticket away, whether or not it is still good.
    pub async fn redeem_ticket(&self, hash: &[u8]) -> Result<Option<Ticket>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_ticket_redeem.sql");
        let rows = self.at_the_door().change(sql, &[(&hash, Type::BYTEA)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Ticket {
            sign_in: read_sign_in(row, row.try_get("sign_in_id")?)?,
            origin: row.try_get("origin")?,
            token_expires_at: row.try_get("token_expires_at")?,
            expires_at: row.try_get("expires_at")?,
        }))
    }

    /// Forgets tickets, refresh tokens, reset codes and sign-ins that can mean nothing any more. `oldest_token`:
    /// access tokens made before then have expired.
    pub async fn sweep_sign_ins(&self, now: Timestamp, oldest_token: Timestamp) -> Result<(), StoreError> {
        for (sql, limit) in [
            (include_str!("../../sql/queries/accounts_sweep_tickets.sql"), now),
            (include_str!("../../sql/queries/accounts_sweep_refresh.sql"), now),
            (include_str!("../../sql/queries/accounts_sweep_resets.sql"), now),
            (include_str!("../../sql/queries/accounts_sweep_sign_ins.sql"), oldest_token),
        ] {
            self.as_jobs().execute(sql, &[(&limit, Type::TIMESTAMPTZ)]).await?;
        }
        Ok(())
    }

    /// True when an account was made or raised.
    pub async fn ensure_admin(
        &self,
        email: &str,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_admin.sql"),
                &[
                    (&crate::id::new(), Type::UUID),
                    (&email, Type::TEXT),
                    (&password_hash, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(!rows.is_empty())
    }
}

pub(super) fn read_account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        role: read_role(row)?,
        display_name: row.try_get("display_name")?,
        locale: row.try_get("locale")?,
        grade: row.try_get("grade")?,
        age_band: read_age_band(row)?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn read_sign_in(row: &Row, id: Uuid) -> Result<SignIn, StoreError> {
    Ok(SignIn {
        id,
        user_id: row.try_get("user_id")?,
        org_id: row.try_get("org_id")?,
        role: read_role(row)?,
        name: row.try_get("name")?,
        ended: row.try_get("ended")?,
        disabled: row.try_get("disabled")?,
        mute: row.try_get("mute")?,
    })
}

pub(super) fn read_age_band(row: &Row) -> Result<AgeBand, StoreError> {
    let text: &str = row.try_get("age_band")?;
    AgeBand::parse(text).ok_or_else(|| StoreError::Refused(format!("unknown age band {text:?}")))
}

pub(super) fn read_role(row: &Row) -> Result<Role, StoreError> {
    let text: &str = row.try_get("role")?;
    Role::parse(text).ok_or_else(|| StoreError::Refused(format!("unknown role {text:?}")))
}
