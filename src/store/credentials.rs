//! What somebody signs in with: shown again, changed, forgotten. Secrets arrive hashed.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::Timestamp;
use crate::id::Uuid;

use crate::identity::Role;

use super::accounts::read_role;
use super::{Store, StoreError};

/// What the password of somebody who is signed in is checked against.
pub struct Proof {
    pub email: String,
    pub password_hash: Option<String>,
}

/// An act of somebody whose password was just checked: all their sign-ins end with it, and one begins.
#[derive(Debug)]
pub struct Anew<'a> {
    pub user: Uuid,
    /// The hash that the password was checked against.
    pub proof: &'a str,
    pub now: Timestamp,
    /// The sign-in that begins.
    pub sign_in: Uuid,
    /// The hash of its refresh token.
    pub refresh: &'a [u8],
    pub expires_at: Timestamp,
    pub label: &'a str,
}

/// Whose sign-in began, and those that ended.
#[derive(Debug)]
pub struct Begun {
    pub email: String,
    pub role: Role,
    pub ended: Vec<Uuid>,
}

/// What others know of somebody, and a password should not be made of.
#[derive(Debug)]
pub struct Words {
    pub email: String,
    pub display_name: String,
    pub organisation: String,
    pub classes: Vec<String>,
}

/// Where a new account would belong.
#[derive(Debug)]
pub struct Place {
    pub organisation: String,
    pub class: Option<String>,
}

#[derive(Debug)]
pub struct NewResetCode<'a> {
    pub hash: &'a [u8],
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// A reset whose code was right: who, and the sign-ins that it ended.
#[derive(Debug)]
pub struct Reset {
    pub user: Uuid,
    pub ended: Vec<Uuid>,
}

impl Store {
    pub async fn proof(&self, user: Uuid) -> Result<Option<Proof>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_proof.sql");
        let Some(row) = self.at_the_door().read_opt(sql, &[(&user, Type::UUID)]).await? else {
            return Ok(None);
        };
        Ok(Some(Proof { email: row.try_get("email")?, password_hash: row.try_get("password_hash")? }))
    }

    /// The same password, hashed anew.
    pub async fn rehash(&self, user: Uuid, old: &str, new: &str) -> Result<(), StoreError> {
        let sql = include_str!("../../sql/queries/accounts_rehash.sql");
        self.at_the_door()
            .execute(sql, &[(&user, Type::UUID), (&old, Type::TEXT), (&new, Type::TEXT)])
            .await?;
        Ok(())
    }

    /// `None`: the old password is none any more.
    pub async fn change_password(&self, anew: &Anew<'_>, hash: &str) -> Result<Option<Begun>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_password.sql");
        self.begin_anew(sql, anew, Some(hash)).await
    }

    /// `None`: the password is none any more; `StoreError::Exists`: the address is taken.
    pub async fn change_email(&self, anew: &Anew<'_>, email: &str) -> Result<Option<Begun>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_email.sql");
        self.begin_anew(sql, anew, Some(email)).await
    }

    /// Ends all sign-ins and begins one. `None`: the password is none any more.
    pub async fn renew_sign_in(&self, anew: &Anew<'_>) -> Result<Option<Begun>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_renew.sql");
        self.begin_anew(sql, anew, None).await
    }

    /// `to`: what is changed, where something is.
    async fn begin_anew(
        &self,
        sql: &str,
        anew: &Anew<'_>,
        to: Option<&str>,
    ) -> Result<Option<Begun>, StoreError> {
        let mut params: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&anew.user, Type::UUID),
            (&anew.proof, Type::TEXT),
            (&anew.now, Type::TIMESTAMPTZ),
            (&anew.sign_in, Type::UUID),
            (&anew.refresh, Type::BYTEA),
            (&anew.expires_at, Type::TIMESTAMPTZ),
            (&anew.label, Type::TEXT),
        ];
        if let Some(to) = &to {
            params.push((to, Type::TEXT));
        }
        let rows = self.at_the_door().change(sql, &params).await?;
        let begun = |row: &Row| {
            Ok(Begun { email: row.try_get("email")?, role: read_role(row)?, ended: row.try_get("ended")? })
        };
        rows.first().map(begun).transpose()
    }

    /// Ends the sign-in of this refresh token: which, and whose. `None`: there is none, or it has ended.
    pub async fn end_held(&self, refresh: &[u8], now: Timestamp) -> Result<Option<(Uuid, Uuid)>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_end_held.sql");
        let params = [(&refresh as _, Type::BYTEA), (&now as _, Type::TIMESTAMPTZ)];
        let rows = self.at_the_door().change(sql, &params).await?;
        rows.first().map(|row| Ok((row.try_get("id")?, row.try_get("user_id")?))).transpose()
    }

    pub async fn words(&self, user: Uuid) -> Result<Option<Words>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_words.sql");
        let Some(row) = self.at_the_door().read_opt(sql, &[(&user, Type::UUID)]).await? else {
            return Ok(None);
        };
        Ok(Some(Words {
            email: row.try_get("email")?,
            display_name: row.try_get("display_name")?,
            organisation: row.try_get("organisation")?,
            classes: row.try_get("classes")?,
        }))
    }

    /// The class of a join code and its organisation; without one, the organisation of those who have
    /// none.
    pub async fn place(&self, join_code: Option<&str>) -> Result<Option<Place>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_place.sql");
        let Some(row) = self.at_the_door().read_opt(sql, &[(&join_code, Type::TEXT)]).await? else {
            return Ok(None);
        };
        Ok(Some(Place { organisation: row.try_get("organisation")?, class: row.try_get("class")? }))
    }

    /// Who asks for help with a forgotten password, if that is an account.
    pub async fn forgot(&self, email: &str) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_forgot.sql");
        let row = self.at_the_door().read_opt(sql, &[(&email, Type::TEXT)]).await?;
        row.map(|row| Ok(row.try_get("id")?)).transpose()
    }

    /// False: this is nobody of the admin's organisation.
    pub async fn keep_reset_code(
        &self,
        admin: Uuid,
        user: Uuid,
        code: &NewResetCode<'_>,
    ) -> Result<bool, StoreError> {
        let rows = self
            .as_admin(admin)
            .change(
                include_str!("../../sql/queries/accounts_reset_issue.sql"),
                &[
                    (&user, Type::UUID),
                    (&code.hash, Type::BYTEA),
                    (&admin, Type::UUID),
                    (&code.now, Type::TIMESTAMPTZ),
                    (&code.expires_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    /// As `keep_reset_code`, by whoever runs the server. `None`: no such account.
    pub async fn keep_operators_reset_code(
        &self,
        email: &str,
        code: &NewResetCode<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_reset_operator.sql"),
                &[
                    (&email, Type::TEXT),
                    (&code.hash, Type::BYTEA),
                    (&code.now, Type::TIMESTAMPTZ),
                    (&code.expires_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        rows.first().map(|row| Ok(row.try_get("user_id")?)).transpose()
    }

    /// Whose reset code this is; it stays good.
    pub async fn reset_code_holder(
        &self,
        email: &str,
        hash: &[u8],
        now: Timestamp,
    ) -> Result<Option<Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_reset_holder.sql");
        let params = [(&email as _, Type::TEXT), (&hash as _, Type::BYTEA), (&now as _, Type::TIMESTAMPTZ)];
        let row = self.at_the_door().read_opt(sql, &params).await?;
        row.map(|row| Ok(row.try_get("id")?)).transpose()
    }

    /// Spends the code. `None`: it is not good, or not any more.
    pub async fn reset_password(
        &self,
        email: &str,
        code: &[u8],
        password_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Reset>, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/accounts_reset.sql"),
                &[
                    (&email, Type::TEXT),
                    (&code, Type::BYTEA),
                    (&password_hash, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        rows.first()
            .map(|row| Ok(Reset { user: row.try_get("id")?, ended: row.try_get("ended")? }))
            .transpose()
    }
}
