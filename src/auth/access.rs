//! What a person is to a session. The single place that decides it, for every door.

use crate::id::Uuid;
use crate::identity::{Access, Principal, Role};
use crate::problem::Problem;
use crate::store::Session;

use super::Auth;

impl Auth {
    /// The session and what this person is to it. Nothing, and what one may not see, are one answer.
    pub async fn access(&self, who: &Principal, session: Uuid) -> Result<(Session, Access), Problem> {
        let row = self.0.store.get_session(who.user_id, session).await?.ok_or_else(Problem::not_found)?;
        let access = decide(who, row.student_id).ok_or_else(Problem::not_found)?;
        Ok((row, access))
    }

    /// As `access`, for what its owner alone may do: whoever may watch but not change gets a 403.
    pub async fn own_session(&self, who: &Principal, session: Uuid) -> Result<Session, Problem> {
        match self.access(who, session).await? {
            (row, Access::Owner) => Ok(row),
            (_, Access::Observer) => Err(Problem::forbidden()),
        }
    }

    /// Whether this person may read everything of that user.
    pub fn may_read_user(&self, who: &Principal, user: Uuid) -> Result<(), Problem> {
        decide(who, user).map(|_| ()).ok_or_else(Problem::not_found)
    }
}

/// What a person is to whatever belongs to this student. The tutors of a student's classes become
/// observers here.
fn decide(who: &Principal, student: Uuid) -> Option<Access> {
    if who.user_id == student {
        return Some(Access::Owner);
    }
    match who.role {
        Role::Admin => Some(Access::Observer),
        Role::Tutor | Role::Student => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_own_admins_watch_and_nobody_else_sees() {
        let student = crate::id::new();
        let person = |user_id, role| Principal {
            user_id,
            org_id: crate::id::new(),
            role,
            name: "P".into(),
            may_speak: true,
            family: crate::id::new(),
            expires_at: crate::clock::now(),
        };
        assert_eq!(decide(&person(student, Role::Student), student), Some(Access::Owner));
        assert_eq!(decide(&person(crate::id::new(), Role::Admin), student), Some(Access::Observer));
        for role in [Role::Student, Role::Tutor] {
            assert_eq!(decide(&person(crate::id::new(), role), student), None, "{role:?}");
        }
    }
}
