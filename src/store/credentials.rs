//! What somebody signs in with: shown again, changed, forgotten. Secrets arrive hashed.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::accounts::{Account, read_account};
use super::{Store, StoreError};

/// What the password of somebody who is signed in is checked against.
pub struct Proof {
    pub email: String,
    pub password_hash: Option<String>,
}

/// A change by somebody whose password was just checked.
#[derive(Debug)]
pub struct Change<'a> {
    pub user: Uuid,
    /// The sign-in that makes it, and that alone goes on.
    pub sign_in: Uuid,
    /// The hash that the password was checked against.
    pub proof: &'a str,
    pub now: Timestamp,
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

    /// The sign-ins that it ended. `None`: the old password is none any more.
    pub async fn change_password(
        &self,
        change: &Change<'_>,
        hash: &str,
    ) -> Result<Option<Vec<Uuid>>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_password.sql");
        let row = self.change_credentials(sql, change, hash).await?;
        row.map(|row| Ok(row.try_get("ended")?)).transpose()
    }

    /// The account as it is now, and the sign-ins that it ended. `None`: the password is none any more;
    /// `StoreError::Exists`: the address is taken.
    pub async fn change_email(
        &self,
        change: &Change<'_>,
        email: &str,
    ) -> Result<Option<(Account, Vec<Uuid>)>, StoreError> {
        let sql = include_str!("../../sql/queries/accounts_email.sql");
        let row = self.change_credentials(sql, change, email).await?;
        row.map(|row| Ok((read_account(&row)?, row.try_get("ended")?))).transpose()
    }

    async fn change_credentials(
        &self,
        sql: &str,
        change: &Change<'_>,
        to: &str,
    ) -> Result<Option<Row>, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                sql,
                &[
                    (&change.user, Type::UUID),
                    (&change.proof, Type::TEXT),
                    (&to, Type::TEXT),
                    (&change.now, Type::TIMESTAMPTZ),
                    (&change.sign_in, Type::UUID),
                ],
            )
            .await?;
        Ok(rows.into_iter().next())
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
