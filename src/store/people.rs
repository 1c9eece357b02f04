//! People and organisations, as their admins and the operator see them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::identity::{AgeBand, Role};

use super::accounts::read_age_band;
use super::sessions::{Page, one_more, page, pattern_for};
use super::{Store, StoreError};

/// Somebody of an organisation, as its admin sees them.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: Uuid,
    pub email: String,
    /// May be empty.
    pub display_name: String,
    pub role: Role,
    pub age_band: AgeBand,
    pub disabled: bool,
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct NewPerson<'a> {
    /// In lower case.
    pub email: &'a str,
    pub password_hash: &'a str,
    pub role: Role,
    pub display_name: &'a str,
    pub age_band: AgeBand,
}

/// `None` leaves a value as it is.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    pub role: Option<Role>,
    pub disabled: Option<bool>,
    pub display_name: Option<String>,
    pub age_band: Option<AgeBand>,
}

#[derive(Clone, Debug)]
pub enum Changed {
    Person(Person),
    /// The organisation would be left without an admin.
    LastAdmin,
}

#[derive(Clone, Debug)]
pub struct Organisation {
    pub id: Uuid,
    pub name: String,
    pub created_at: Timestamp,
}

/// An admin, as the operator sees them.
#[derive(Clone, Debug)]
pub struct Admin {
    pub email: String,
    pub display_name: String,
    pub organisation: String,
    pub disabled: bool,
}

/// What became of an account that was to get another role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raised {
    /// In this organisation.
    Done(String),
    LastAdmin(String),
    Unknown,
}

impl Store {
    /// The people of the organisation that `who` is the admin of, the newest first.
    pub async fn list_people(
        &self,
        who: Uuid,
        search: Option<&str>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Person, Uuid>, StoreError> {
        let pattern = search.map(pattern_for);
        let rows = self
            .as_admin(who)
            .read(
                include_str!("../../sql/queries/admin_users.sql"),
                &[
                    (&who, Type::UUID),
                    (&pattern, Type::TEXT),
                    (&after, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, person, |person| person.id)
    }

    /// `None`: the address is taken.
    pub async fn create_person(&self, who: Uuid, new: &NewPerson<'_>) -> Result<Option<Person>, StoreError> {
        let rows = self
            .as_admin(who)
            .change(
                include_str!("../../sql/queries/admin_user_create.sql"),
                &[
                    (&who, Type::UUID),
                    (&id::new(), Type::UUID),
                    (&new.email, Type::TEXT),
                    (&new.password_hash, Type::TEXT),
                    (&new.role.as_str(), Type::TEXT),
                    (&new.display_name, Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                    (&new.age_band.as_str(), Type::TEXT),
                ],
            )
            .await?;
        rows.first().map(person).transpose()
    }

    /// `None`: nobody of the organisation that `who` is the admin of.
    pub async fn change_person(
        &self,
        who: Uuid,
        id: Uuid,
        change: &PersonChange,
    ) -> Result<Option<Changed>, StoreError> {
        let rows = self
            .as_admin(who)
            .change(
                include_str!("../../sql/queries/admin_user_change.sql"),
                &[
                    (&who, Type::UUID),
                    (&id, Type::UUID),
                    (&change.role.map(Role::as_str), Type::TEXT),
                    (&change.disabled, Type::BOOL),
                    (&change.display_name, Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                    (&change.age_band.map(AgeBand::as_str), Type::TEXT),
                ],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if row.try_get("last")? {
            return Ok(Some(Changed::LastAdmin));
        }
        Ok(Some(Changed::Person(person(row)?)))
    }

    /// Ends every sign-in of somebody. False: nobody of the organisation that `who` is the admin of.
    pub async fn sign_person_out(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let rows = self
            .as_admin(who)
            .change(
                include_str!("../../sql/queries/admin_sign_out.sql"),
                &[(&who, Type::UUID), (&id, Type::UUID), (&clock::now(), Type::TIMESTAMPTZ)],
            )
            .await?;
        Ok(!rows.is_empty())
    }

    /// Ends every sign-in of the organisation that `who` is the admin of, theirs too, and gives their number.
    /// `None`: `who` is the admin of none.
    pub async fn sign_everybody_out(&self, who: Uuid) -> Result<Option<i64>, StoreError> {
        let sql = include_str!("../../sql/queries/admin_sign_out_all.sql");
        let params = [(&who as _, Type::UUID), (&clock::now() as _, Type::TIMESTAMPTZ)];
        let rows = self.as_admin(who).change(sql, &params).await?;
        rows.first().map(|row| Ok(row.try_get("ended")?)).transpose()
    }

    pub async fn organisation(&self, who: Uuid) -> Result<Option<Organisation>, StoreError> {
        let sql = include_str!("../../sql/queries/organisation_get.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID)]).await?;
        row.as_ref().map(organisation).transpose()
    }

    /// `None`: `who` is the admin of none.
    pub async fn rename_organisation(
        &self,
        who: Uuid,
        name: &str,
    ) -> Result<Option<Organisation>, StoreError> {
        let sql = include_str!("../../sql/queries/organisation_rename.sql");
        let rows = self.as_admin(who).change(sql, &[(&who, Type::UUID), (&name, Type::TEXT)]).await?;
        rows.first().map(organisation).transpose()
    }

    // ── The operator's ──────────────────────────────────────────────────────────────────────────

    /// False: there is one of that name.
    pub async fn add_organisation(&self, id: Uuid, name: &str) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/organisation_add.sql");
        let params =
            [(&id as _, Type::UUID), (&name as _, Type::TEXT), (&clock::now() as _, Type::TIMESTAMPTZ)];
        Ok(self.at_the_door().execute(sql, &params).await? > 0)
    }

    /// Those with this name or id: names are not unique, an admin may choose any.
    pub async fn organisations_named(&self, name: &str) -> Result<Vec<(Uuid, String)>, StoreError> {
        let sql = include_str!("../../sql/queries/organisations_named.sql");
        let rows = self.at_the_door().read(sql, &[(&name, Type::TEXT)]).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("name")?))).collect()
    }

    pub async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        let rows =
            self.at_the_door().read(include_str!("../../sql/queries/operator_admins.sql"), &[]).await?;
        let admin = |row: &Row| {
            Ok(Admin {
                email: row.try_get("email")?,
                display_name: row.try_get("display_name")?,
                organisation: row.try_get("organisation")?,
                disabled: row.try_get("disabled")?,
            })
        };
        rows.iter().map(admin).collect()
    }

    /// An admin of this organisation, or of the first one. False: the address is taken.
    pub async fn create_admin(
        &self,
        email: &str,
        password_hash: &str,
        organisation: Option<Uuid>,
    ) -> Result<bool, StoreError> {
        let made = self
            .at_the_door()
            .execute(
                include_str!("../../sql/queries/operator_create.sql"),
                &[
                    (&id::new(), Type::UUID),
                    (&email, Type::TEXT),
                    (&password_hash, Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                    (&organisation, Type::UUID),
                ],
            )
            .await?;
        Ok(made > 0)
    }

    /// Ends every sign-in of this organisation, or of all: how many of which.
    pub async fn sign_all_out(&self, organisation: Option<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        let sql = include_str!("../../sql/queries/operator_sign_out_all.sql");
        let params = [(&organisation as _, Type::UUID), (&clock::now() as _, Type::TIMESTAMPTZ)];
        let rows = self.at_the_door().change(sql, &params).await?;
        rows.iter().map(|row| Ok((row.try_get("org_id")?, row.try_get("ended")?))).collect()
    }

    pub async fn set_role(&self, email: &str, role: Role) -> Result<Raised, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/operator_role.sql"),
                &[(&email, Type::TEXT), (&role.as_str(), Type::TEXT), (&clock::now(), Type::TIMESTAMPTZ)],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(Raised::Unknown) };
        let organisation = row.try_get("organisation")?;
        Ok(if row.try_get("last")? { Raised::LastAdmin(organisation) } else { Raised::Done(organisation) })
    }
}

fn person(row: &Row) -> Result<Person, StoreError> {
    let role: &str = row.try_get("role")?;
    Ok(Person {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        display_name: row.try_get("display_name")?,
        role: Role::parse(role).ok_or_else(|| StoreError::Refused(format!("unknown role {role:?}")))?,
        age_band: read_age_band(row)?,
        disabled: row.try_get("disabled")?,
        created_at: row.try_get("created_at")?,
    })
}

fn organisation(row: &Row) -> Result<Organisation, StoreError> {
    Ok(Organisation {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
    })
}
