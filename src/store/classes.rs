//! Classes and who is in them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::identity::{MemberAs, Role};

use super::sessions::{Page, one_more, page};
use super::{Store, StoreError};

/// A class, with what it takes to say what somebody is to it.
#[derive(Clone, Debug)]
pub struct Class {
    pub id: Uuid,
    pub org_id: Uuid,
    pub name: String,
    /// Whoever knows it may join: not for everybody who sees the class.
    pub join_code: String,
    /// As what whoever asked is a member.
    pub member_as: Option<MemberAs>,
    /// How many; of the students, only those that whoever asked may see.
    pub students: i64,
    pub tutors: i64,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub user_id: Uuid,
    pub display_name: String,
    /// For whoever runs the class.
    pub email: Option<String>,
    pub member_as: MemberAs,
    pub created_at: Timestamp,
}

/// What became of somebody who was to be added.
#[derive(Clone, Debug)]
pub enum Added {
    Member(Member),
    /// Is in the class already, as something else.
    Otherwise,
    /// Only tutors and admins teach.
    NoTutor,
    /// Of the staff, and no student of whoever asks: they join by themselves, or an admin adds them.
    NoStudent,
}

impl Store {
    /// A class of the maker's organisation, which the maker teaches. `None`: is neither tutor nor admin.
    pub async fn create_class(
        &self,
        maker: Uuid,
        name: &str,
        join_code: &str,
    ) -> Result<Option<Uuid>, StoreError> {
        let (id, now) = (id::new(), clock::now());
        let made = self
            .at_the_door()
            .execute(
                include_str!("../../sql/queries/class_create.sql"),
                &[
                    (&id, Type::UUID),
                    (&maker, Type::UUID),
                    (&name, Type::TEXT),
                    (&join_code, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok((made > 0).then_some(id))
    }

    /// Whether this person may see it is for `auth::access` to say.
    pub async fn class(&self, who: Uuid, id: Uuid) -> Result<Option<Class>, StoreError> {
        let sql = include_str!("../../sql/queries/class_get.sql");
        let row = self.as_user(who).read_opt(sql, &[(&who, Type::UUID), (&id, Type::UUID)]).await?;
        row.as_ref().map(class).transpose()
    }

    /// Those that one is a member of, or with `all` those of the organisation; the newest first.
    pub async fn list_classes(
        &self,
        who: Uuid,
        org: Uuid,
        all: bool,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Class, Uuid>, StoreError> {
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/class_list.sql"),
                &[
                    (&who, Type::UUID),
                    (&org, Type::UUID),
                    (&all, Type::BOOL),
                    (&after, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, class, |class| class.id)
    }

    pub async fn rename_class(&self, who: Uuid, id: Uuid, name: &str) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/class_rename.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID), (&name, Type::TEXT)]).await? > 0)
    }

    /// The code before this one joins nothing any more.
    pub async fn replace_join_code(&self, who: Uuid, id: Uuid, code: &str) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/class_code.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID), (&code, Type::TEXT)]).await? > 0)
    }

    pub async fn delete_class(&self, who: Uuid, id: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/class_delete.sql");
        Ok(self.as_user(who).execute(sql, &[(&id, Type::UUID)]).await? > 0)
    }

    /// Makes somebody a student of the class with this code, if it is one of their organisation. Who is a
    /// member already stays what they are.
    pub async fn join_class(&self, who: Uuid, code: &str) -> Result<Option<Uuid>, StoreError> {
        let rows = self
            .at_the_door()
            .change(
                include_str!("../../sql/queries/class_join.sql"),
                &[(&who, Type::UUID), (&code, Type::TEXT), (&clock::now(), Type::TIMESTAMPTZ)],
            )
            .await?;
        Ok(rows.first().map(|row| row.try_get("id")).transpose()?)
    }

    /// In the order they came. `all`: with the students and everybody's address, for whoever runs it.
    pub async fn class_members(
        &self,
        who: Uuid,
        class: Uuid,
        all: bool,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Page<Member, (Timestamp, Uuid)>, StoreError> {
        let (at, id) = after.unzip();
        let rows = self
            .as_user(who)
            .read(
                include_str!("../../sql/queries/class_members.sql"),
                &[
                    (&who, Type::UUID),
                    (&class, Type::UUID),
                    (&all, Type::BOOL),
                    (&at, Type::TIMESTAMPTZ),
                    (&id, Type::UUID),
                    (&one_more(limit), Type::INT8),
                ],
            )
            .await?;
        page(rows, limit, member, |member| (member.created_at, member.user_id))
    }

    /// `None`: nobody whom this person may know. Somebody who is that already stays it.
    pub async fn add_member(
        &self,
        who: Uuid,
        class: Uuid,
        user: Uuid,
        member_as: MemberAs,
    ) -> Result<Option<Added>, StoreError> {
        let rows = self
            .as_user(who)
            .change(
                include_str!("../../sql/queries/class_member_add.sql"),
                &[
                    (&who, Type::UUID),
                    (&class, Type::UUID),
                    (&user, Type::UUID),
                    (&member_as.as_str(), Type::TEXT),
                    (&clock::now(), Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let is: Option<&str> = row.try_get("member_as")?;
        let role: &str = row.try_get("role")?;
        let teaches = matches!(Role::parse(role), Some(Role::Tutor | Role::Admin));
        Ok(Some(match is {
            Some(is) if is == member_as.as_str() => Added::Member(member(row)?),
            None if !teaches && member_as == MemberAs::Tutor => Added::NoTutor,
            None if member_as == MemberAs::Student && !row.try_get::<_, bool>("may_learn")? => {
                Added::NoStudent
            }
            // Without a word: somebody else added them at this very moment.
            Some(_) | None => Added::Otherwise,
        }))
    }

    pub async fn remove_member(&self, who: Uuid, class: Uuid, user: Uuid) -> Result<bool, StoreError> {
        let sql = include_str!("../../sql/queries/class_member_remove.sql");
        Ok(self.as_user(who).execute(sql, &[(&class, Type::UUID), (&user, Type::UUID)]).await? > 0)
    }
}

fn class(row: &Row) -> Result<Class, StoreError> {
    let member_as: Option<&str> = row.try_get("member_as")?;
    Ok(Class {
        id: row.try_get("id")?,
        org_id: row.try_get("org_id")?,
        name: row.try_get("name")?,
        join_code: row.try_get("join_code")?,
        member_as: member_as.map(word).transpose()?,
        students: row.try_get("students")?,
        tutors: row.try_get("tutors")?,
        created_at: row.try_get("created_at")?,
    })
}

fn member(row: &Row) -> Result<Member, StoreError> {
    Ok(Member {
        user_id: row.try_get("user_id")?,
        display_name: row.try_get("display_name")?,
        email: row.try_get("email")?,
        member_as: word(row.try_get("member_as")?)?,
        created_at: row.try_get("created_at")?,
    })
}

fn word(text: &str) -> Result<MemberAs, StoreError> {
    MemberAs::parse(text).ok_or_else(|| StoreError::Refused(format!("unknown membership {text:?}")))
}
