//! Classes: who is in them, who teaches them, and the codes that join them.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::{self, Event};
use crate::auth::{self, code, to_class};
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{ClassAccess, MemberAs, Principal, Role};
use crate::problem::Problem;
use crate::store::classes::{self, Added};

use super::accounts::Peer;
use super::input::{Id, Ids, Valid, ValidQuery, not_blank, one_line};
use super::page::{ListQuery, Page};

/// A group of students and those who teach them.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Class {
    id: Uuid,
    name: String,
    /// `ABCD-EFGH-JKLM`: whoever types it in joins. For its tutors and admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    join_code: Option<String>,
    /// Whether whoever asks teaches it.
    teaching: bool,
    /// How many; for its tutors and admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    students: Option<i64>,
    /// How many.
    tutors: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl Class {
    fn of(who: &Principal, row: classes::Class) -> Class {
        let runs = to_class(who, &row) == Some(ClassAccess::Runs);
        Class {
            id: row.id,
            join_code: runs.then(|| code::shown(&row.join_code)),
            teaching: runs && row.member_as == Some(MemberAs::Tutor),
            students: runs.then_some(row.students),
            tutors: row.tutors,
            name: row.name,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassInput {
    #[garde(length(chars, min = 1, max = 80), custom(not_blank), custom(one_line))]
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinInput {
    /// As a tutor gave it; case, spaces and hyphens do not matter.
    #[garde(length(chars, max = 40))]
    #[schema(max_length = 40, example = "ABCD-EFGH-JKLM")]
    code: String,
}

/// Somebody in a class.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Member {
    user_id: Uuid,
    display_name: String,
    /// For the class's tutors and admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "as")]
    member_as: MemberAs,
    /// When they came.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<classes::Member> for Member {
    fn from(row: classes::Member) -> Member {
        Member {
            user_id: row.user_id,
            display_name: row.display_name,
            email: row.email,
            member_as: row.member_as,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberInput {
    #[garde(skip)]
    user_id: Uuid,
    #[serde(rename = "as")]
    #[garde(skip)]
    member_as: MemberAs,
}

/// The classes that one is in, the newest first; an admin sees the organisation's.
#[utoipa::path(
    get, path = "/classes", tag = "classes", params(ListQuery), responses((status = 200, body = Page<Class>))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Class>>, Problem> {
    let after: Option<Uuid> = query.after()?;
    let all = who.role == Role::Admin;
    let page = app.store.list_classes(who.user_id, who.org_id, all, after, query.limit()).await?;
    Ok(Json(Page::of(page, |row| Class::of(&who, row))))
}

/// Makes a class, which its maker teaches. By tutors and admins.
#[utoipa::path(
    post, path = "/classes", tag = "classes", request_body = ClassInput,
    responses((status = 201, body = Class), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn create(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<ClassInput>,
) -> Result<(StatusCode, Json<Class>), Problem> {
    if who.role == Role::Student {
        return Err(auth::forbidden(&who, "class"));
    }
    let made = app.store.create_class(who.user_id, input.name.trim(), &app.auth.join_code()).await?;
    let class = made.ok_or_else(|| auth::forbidden(&who, "class"))?;
    app.audit.record(&who, &Event::ClassCreated { class });
    let (row, _) = app.auth.class(&who, class).await?;
    Ok((StatusCode::CREATED, Json(Class::of(&who, row))))
}

/// Joins the class that a code names, as a student. A code that names none of the own organisation is a
/// 404.
#[utoipa::path(
    post, path = "/classes/join", tag = "classes", request_body = JoinInput,
    responses((status = 200, body = Class), (status = 404, description = "`not_found`: no class with that code"))
)]
pub(super) async fn join(
    State(app): State<App>,
    Peer(peer): Peer,
    who: Principal,
    Valid(input): Valid<JoinInput>,
) -> Result<Json<Class>, Problem> {
    app.auth.limits().join(who.user_id, peer)?;
    let joined = match code::typed(&input.code) {
        Some(code) => app.store.join_class(who.user_id, &code).await?,
        None => None,
    };
    let Some(class) = joined else {
        audit::line("join_refused", "class", Some(who.user_id), None);
        return Err(Problem::not_found());
    };
    app.audit.record(&who, &Event::ClassJoined { class, user: who.user_id, member_as: "student" });
    let (row, _) = app.auth.class(&who, class).await?;
    Ok(Json(Class::of(&who, row)))
}

/// One class.
#[utoipa::path(
    get, path = "/classes/{id}", tag = "classes", params(("id" = Uuid, Path)),
    responses((status = 200, body = Class))
)]
pub(super) async fn get(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
) -> Result<Json<Class>, Problem> {
    let (row, _) = app.auth.class(&who, class).await?;
    Ok(Json(Class::of(&who, row)))
}

/// Renames a class. By its tutors and admins.
#[utoipa::path(
    patch, path = "/classes/{id}", tag = "classes", params(("id" = Uuid, Path)), request_body = ClassInput,
    responses((status = 200, body = Class), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn rename(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
    Valid(input): Valid<ClassInput>,
) -> Result<Json<Class>, Problem> {
    app.auth.run_class(&who, class).await?;
    app.store.rename_class(who.user_id, class, input.name.trim()).await?;
    let (row, _) = app.auth.class(&who, class).await?;
    Ok(Json(Class::of(&who, row)))
}

/// Deletes a class. Its students and their sessions stay; its tutors see them no more. By its tutors and
/// admins.
#[utoipa::path(
    delete, path = "/classes/{id}", tag = "classes", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
) -> Result<StatusCode, Problem> {
    app.auth.run_class(&who, class).await?;
    app.store.delete_class(who.user_id, class).await?;
    app.audit.record(&who, &Event::ClassDeleted { class });
    Ok(StatusCode::NO_CONTENT)
}

/// A new join code; the one before joins nothing any more. By the class's tutors and admins.
#[utoipa::path(
    post, path = "/classes/{id}/join-code", tag = "classes", params(("id" = Uuid, Path)),
    responses((status = 200, body = Class), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn new_join_code(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
) -> Result<Json<Class>, Problem> {
    app.auth.run_class(&who, class).await?;
    app.store.replace_join_code(who.user_id, class, &app.auth.join_code()).await?;
    audit::line("class_code_replaced", "class", Some(who.user_id), Some(class));
    let (row, _) = app.auth.class(&who, class).await?;
    Ok(Json(Class::of(&who, row)))
}

/// The members in the order they came; a student sees themself and the tutors.
#[utoipa::path(
    get, path = "/classes/{id}/members", tag = "classes", params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Member>))
)]
pub(super) async fn members(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Member>>, Problem> {
    let (_, access) = app.auth.class(&who, class).await?;
    let after: Option<(Timestamp, Uuid)> = query.after()?;
    let all = access == ClassAccess::Runs;
    let page = app.store.class_members(who.user_id, class, all, after, query.limit()).await?;
    Ok(Json(Page::of(page, Member::from)))
}

/// Adds somebody of the organisation: a tutor any of its staff as a tutor and the students that they teach,
/// an admin anybody. Who is that in the class already stays it.
#[utoipa::path(
    post, path = "/classes/{id}/members", tag = "classes", params(("id" = Uuid, Path)),
    request_body = MemberInput,
    responses(
        (status = 201, body = Member),
        (status = 403, description = "`forbidden`"),
        (status = 409, description = "`conflict`: is in the class as something else"),
    )
)]
pub(super) async fn add_member(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
    Valid(input): Valid<MemberInput>,
) -> Result<(StatusCode, Json<Member>), Problem> {
    app.auth.run_class(&who, class).await?;
    let added = app.store.add_member(who.user_id, class, input.user_id, input.member_as).await?;
    match added.ok_or_else(Problem::not_found)? {
        Added::Member(row) => {
            let joined = Event::ClassJoined { class, user: row.user_id, member_as: input.member_as.as_str() };
            app.audit.record(&who, &joined);
            Ok((StatusCode::CREATED, Json(row.into())))
        }
        Added::Otherwise => Err(Problem::conflict().because("They are in the class as something else.")),
        Added::NoStudent => {
            Err(Problem::forbidden().because("Staff join as students with the code, or an admin adds them."))
        }
        Added::NoTutor => Err(Problem::field("/as", "is for those whose role is tutor or admin")),
    }
}

/// Takes somebody out of the class: its tutors and admins anybody, others themselves.
#[utoipa::path(
    delete, path = "/classes/{id}/members/{user_id}", tag = "classes",
    params(("id" = Uuid, Path), ("user_id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn remove_member(
    State(app): State<App>,
    who: Principal,
    Ids(class, user): Ids,
) -> Result<StatusCode, Problem> {
    let (_, access) = app.auth.class(&who, class).await?;
    if access != ClassAccess::Runs && user != who.user_id {
        return Err(auth::forbidden(&who, "class"));
    }
    if !app.store.remove_member(who.user_id, class, user).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::ClassLeft { class, user });
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn what_comes_in_is_checked() {
        let class = |body: &str| read::<ClassInput>(body.as_bytes()).is_ok();
        assert!(class(r#"{"name":"7b"}"#));
        for bad in
            [r#"{}"#, r#"{"name":" "}"#, r#"{"name":"a\nb"}"#, r#"{"name":"a\u0000"}"#, r#"{"name":7}"#]
        {
            assert!(!class(bad), "{bad}");
        }
        for field in ["org_id", "join_code", "id", "created_at", "members"] {
            assert!(!class(&format!(r#"{{"name":"7b","{field}":"x"}}"#)), "{field}");
        }
        let id = crate::id::new();
        let member = |body: String| read::<MemberInput>(body.as_bytes()).is_ok();
        assert!(member(format!(r#"{{"user_id":"{id}","as":"student"}}"#)));
        assert!(!member(format!(r#"{{"user_id":"{id}","as":"admin"}}"#)));
        assert!(!member(format!(r#"{{"user_id":"{id}","as":"student","role":"tutor"}}"#)));
        assert!(!member(r#"{"as":"student"}"#.into()));
    }
}
