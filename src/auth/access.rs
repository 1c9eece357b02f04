//! What a person is to a session, to another person and to a class. The single place that decides it,
//! for every door. The database decides the same once more, by row level security: neither relies on the
//! other.

use crate::audit;
use crate::id::Uuid;
use crate::identity::{Access, ClassAccess, MemberAs, Principal, Role};
use crate::problem::Problem;
use crate::store::classes::Class;
use crate::store::{File, SeenPerson, SeenSession, Session, SessionsOf};

use super::Auth;

/// What a person is to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    Owner,
    /// It is attached to content that they see.
    Reader,
    /// They look at somebody's own things.
    Observer,
}

impl Auth {
    /// The session and what this person is to it. Nothing, and what one may not see, are one answer.
    pub async fn access(&self, who: &Principal, session: Uuid) -> Result<(Session, Access), Problem> {
        let seen = self.0.store.seen_session(who.user_id, session).await?;
        let seen = seen.and_then(|seen| Some((to_session(who, &seen)?, seen.session)));
        let (access, row) = seen.ok_or_else(|| refused(who, "session"))?;
        Ok((row, access))
    }

    /// As `access`, for what its owner alone may do: whoever may watch but not change gets a 403.
    pub async fn own_session(&self, who: &Principal, session: Uuid) -> Result<Session, Problem> {
        match self.access(who, session).await? {
            (row, Access::Owner) => Ok(row),
            (_, Access::Observer) => Err(forbidden(who, "session")),
        }
    }

    /// As `access`, for what those who watch alone may do: its owner, who sees the session, gets a 403.
    pub async fn watched_session(&self, who: &Principal, session: Uuid) -> Result<Session, Problem> {
        match self.access(who, session).await? {
            (row, Access::Observer) => Ok(row),
            (_, Access::Owner) => Err(forbidden(who, "session")),
        }
    }

    /// That this person teaches that user or is their admin. Oneself is nobody whom one watches: 403.
    pub async fn watched_person(&self, who: &Principal, user: Uuid) -> Result<(), Problem> {
        let seen = self.0.store.seen_person(who.user_id, user).await?;
        match seen.and_then(|seen| to_person(who, seen)) {
            Some(Access::Observer) => Ok(()),
            Some(Access::Owner) => Err(forbidden(who, "user")),
            None => Err(refused(who, "user")),
        }
    }

    /// Whether this person may read everything of that user.
    pub async fn may_read_user(&self, who: &Principal, user: Uuid) -> Result<(), Problem> {
        let seen = self.0.store.seen_person(who.user_id, user).await?;
        seen.and_then(|seen| to_person(who, seen)).map(|_| ()).ok_or_else(|| refused(who, "user"))
    }

    /// Whose sessions a list shows to this person beside their own.
    pub fn sessions_of(&self, who: &Principal) -> SessionsOf {
        match who.role {
            Role::Student => SessionsOf::Nobody,
            Role::Tutor => SessionsOf::Taught(who.org_id),
            Role::Admin => SessionsOf::Organisation(who.org_id),
        }
    }

    /// Whether the one who watches a session with this sign-in still may, at this moment.
    pub async fn still_observes(&self, family: Uuid, session: Uuid) -> Result<bool, Problem> {
        Ok(!self.0.store.observed(&[(family, session)]).await?.is_empty())
    }

    /// A file that this person may see, and how: their own, what is attached to content that they see, what was
    /// sent in a session that they see, and to an admin what is the organisation's.
    pub async fn file(&self, who: &Principal, file: Uuid) -> Result<(File, FileAccess), Problem> {
        let store = &self.0.store;
        let row = store.file(who.user_id, file).await?.ok_or_else(|| refused(who, "file"))?;
        if row.owner_id == Some(who.user_id) {
            return Ok((row, FileAccess::Owner));
        }
        if store.content_of_file(who.user_id, file).await?.is_some() {
            return Ok((row, FileAccess::Reader));
        }
        if row.org_id == who.org_id && who.role == Role::Admin {
            return Ok((row, FileAccess::Observer));
        }
        for session in store.sessions_of_file(who.user_id, file).await? {
            let seen = store.seen_session(who.user_id, session).await?;
            if seen.is_some_and(|seen| to_session(who, &seen).is_some()) {
                return Ok((row, FileAccess::Observer));
            }
        }
        Err(refused(who, "file"))
    }

    /// The class and what this person is to it.
    pub async fn class(&self, who: &Principal, class: Uuid) -> Result<(Class, ClassAccess), Problem> {
        let row = self.0.store.class(who.user_id, class).await?;
        let seen = row.and_then(|row| Some((to_class(who, &row)?, row)));
        let (access, row) = seen.ok_or_else(|| refused(who, "class"))?;
        Ok((row, access))
    }

    /// As `class`, for what only whoever runs it may do.
    pub async fn run_class(&self, who: &Principal, class: Uuid) -> Result<Class, Problem> {
        match self.class(who, class).await? {
            (row, ClassAccess::Runs) => Ok(row),
            (_, ClassAccess::Member) => Err(forbidden(who, "class")),
        }
    }
}

/// Of somebody who asked for what is not there, or not theirs to see.
fn refused(who: &Principal, what: &'static str) -> Problem {
    audit::line("refused", what, Some(who.user_id), None);
    Problem::not_found()
}

/// Of somebody who may see it and not do that.
pub fn forbidden(who: &Principal, what: &'static str) -> Problem {
    audit::line("forbidden", what, Some(who.user_id), None);
    Problem::forbidden()
}

/// That this is a tutor or an admin.
pub fn staff(who: &Principal) -> Result<(), Problem> {
    match who.role {
        Role::Tutor | Role::Admin => Ok(()),
        Role::Student => Err(forbidden(who, "observation")),
    }
}

/// That this is an admin.
pub fn admin(who: &Principal) -> Result<(), Problem> {
    match who.role {
        Role::Admin => Ok(()),
        Role::Student | Role::Tutor => Err(forbidden(who, "administration")),
    }
}

fn to_session(who: &Principal, seen: &SeenSession) -> Option<Access> {
    decide(who, seen.session.student_id, seen.org_id, seen.taught)
}

fn to_person(who: &Principal, seen: SeenPerson) -> Option<Access> {
    decide(who, seen.id, seen.org_id, seen.taught)
}

/// What a person is to whatever belongs to this student, of this organisation.
fn decide(who: &Principal, student: Uuid, org: Uuid, taught: bool) -> Option<Access> {
    if who.user_id == student {
        return Some(Access::Owner);
    }
    let observes = match who.role {
        Role::Admin => who.org_id == org,
        Role::Tutor => who.org_id == org && taught,
        Role::Student => false,
    };
    observes.then_some(Access::Observer)
}

/// What a person is to a class.
pub fn to_class(who: &Principal, class: &Class) -> Option<ClassAccess> {
    if who.org_id != class.org_id {
        return None;
    }
    match (who.role, class.member_as) {
        (Role::Admin, _) | (Role::Tutor, Some(MemberAs::Tutor)) => Some(ClassAccess::Runs),
        (_, Some(_)) => Some(ClassAccess::Member),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(role: Role, org_id: Uuid) -> Principal {
        Principal {
            user_id: crate::id::new(),
            org_id,
            role,
            name: "P".into(),
            may_speak: true,
            family: crate::id::new(),
            expires_at: crate::clock::now(),
        }
    }

    #[test]
    fn owners_own_tutors_and_admins_watch_and_nobody_else_sees() {
        let (here, elsewhere, student) = (crate::id::new(), crate::id::new(), crate::id::new());
        for role in [Role::Student, Role::Tutor, Role::Admin] {
            let own = Principal { user_id: student, ..person(role, here) };
            assert_eq!(decide(&own, student, here, false), Some(Access::Owner), "{role:?}");
            for (org, taught) in [(here, false), (here, true), (elsewhere, false), (elsewhere, true)] {
                let sees = decide(&person(role, here), student, org, taught).is_some();
                let should = org == here && (role == Role::Admin || (role == Role::Tutor && taught));
                assert_eq!(sees, should, "{role:?} {taught} {}", org == here);
            }
        }
    }

    #[test]
    fn a_class_is_run_by_its_tutors_and_admins() {
        let (here, elsewhere) = (crate::id::new(), crate::id::new());
        let class = |org_id, member_as| Class {
            id: crate::id::new(),
            org_id,
            name: "7b".into(),
            join_code: String::new(),
            member_as,
            students: 0,
            tutors: 0,
            created_at: crate::clock::now(),
        };
        let is = |role, org, member_as| to_class(&person(role, here), &class(org, member_as));
        for role in [Role::Student, Role::Tutor, Role::Admin] {
            for member_as in [None, Some(MemberAs::Student), Some(MemberAs::Tutor)] {
                assert_eq!(is(role, elsewhere, member_as), None, "{role:?} {member_as:?}");
            }
        }
        assert_eq!(is(Role::Admin, here, None), Some(ClassAccess::Runs));
        assert_eq!(is(Role::Tutor, here, Some(MemberAs::Tutor)), Some(ClassAccess::Runs));
        assert_eq!(is(Role::Tutor, here, Some(MemberAs::Student)), Some(ClassAccess::Member));
        assert_eq!(is(Role::Tutor, here, None), None);
        // A tutor no more.
        assert_eq!(is(Role::Student, here, Some(MemberAs::Tutor)), Some(ClassAccess::Member));
        assert_eq!(is(Role::Student, here, None), None);
    }
}
