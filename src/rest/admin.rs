//! What the admin of an organisation does: its people and its name.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::{self, Event};
use crate::auth;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{AgeBand, Principal, Role};
use crate::problem::Problem;
use crate::store::people::{self, Changed, NewPerson, PersonChange};

use super::accounts::{good_password, optional_line};
use super::credentials::IssuedCode;
use super::input::{Id, Valid, ValidQuery, no_nul, not_blank, one_line};
use super::page::{ListQuery, Page, Search};

/// Somebody of the organisation.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Person {
    id: Uuid,
    email: String,
    /// May be empty.
    display_name: String,
    role: Role,
    age_band: AgeBand,
    /// Signed out, and cannot sign in.
    disabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<people::Person> for Person {
    fn from(row: people::Person) -> Person {
        Person {
            id: row.id,
            email: row.email,
            display_name: row.display_name,
            role: row.role,
            age_band: row.age_band,
            disabled: row.disabled,
            created_at: row.created_at,
        }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonInput {
    /// Compared without regard to case.
    #[garde(length(bytes, max = 254), email, custom(no_nul))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// 8 to 128 characters, any of them. Without one the answer has a code with which its owner chooses one.
    #[serde(default)]
    #[garde(inner(custom(good_password)))]
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 128)]
    password: Option<SecretString>,
    #[garde(skip)]
    role: Role,
    #[serde(default)]
    #[garde(length(chars, max = 80), custom(optional_line))]
    #[schema(max_length = 80)]
    display_name: Option<String>,
    /// `unknown` where it is left out.
    #[serde(default)]
    #[garde(skip)]
    age_band: Option<AgeBand>,
}

/// An account that was just made.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct MadePerson {
    #[serde(flatten)]
    person: Person,
    /// To be told to its owner, who chooses a password with it; only where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_code: Option<IssuedCode>,
}

/// A field that is left out stays as it is.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonChangeInput {
    #[serde(default)]
    #[garde(skip)]
    role: Option<Role>,
    #[serde(default)]
    #[garde(skip)]
    disabled: Option<bool>,
    #[serde(default)]
    #[garde(length(chars, max = 80), custom(optional_line))]
    #[schema(max_length = 80)]
    display_name: Option<String>,
    #[serde(default)]
    #[garde(skip)]
    age_band: Option<AgeBand>,
}

/// A school, or whatever else stands by itself.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Organisation {
    id: Uuid,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<people::Organisation> for Organisation {
    fn from(row: people::Organisation) -> Organisation {
        Organisation { id: row.id, name: row.name, created_at: row.created_at }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganisationInput {
    #[garde(length(chars, min = 1, max = 120), custom(not_blank), custom(one_line))]
    #[schema(min_length = 1, max_length = 120)]
    name: String,
}

/// The people of the organisation, the newest first. By its admins.
#[utoipa::path(
    get, path = "/admin/users", tag = "administration", params(ListQuery),
    responses((status = 200, body = Page<Person>), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn users(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Person>>, Problem> {
    auth::admin(&who)?;
    let after: Option<Uuid> = query.after()?;
    let page = app.store.list_people(who.user_id, None, after, query.limit()).await?;
    Ok(Json(Page::of(page, Person::from)))
}

/// Those of the organisation whose address or name holds some words, the newest first. By its admins.
#[utoipa::path(
    post, path = "/admin/users/search", tag = "administration", request_body = Search,
    responses((status = 200, body = Page<Person>), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn find_users(
    State(app): State<App>,
    who: Principal,
    Valid(search): Valid<Search>,
) -> Result<Json<Page<Person>>, Problem> {
    auth::admin(&who)?;
    let after: Option<Uuid> = search.after()?;
    let page = app.store.list_people(who.user_id, Some(search.words()), after, search.limit()).await?;
    Ok(Json(Page::of(page, Person::from)))
}

/// Makes an account in the organisation: with a password, or with a code that sets one. By its admins.
#[utoipa::path(
    post, path = "/admin/users", tag = "administration", request_body = PersonInput,
    responses(
        (status = 201, body = MadePerson),
        (status = 403, description = "`forbidden`"),
        (status = 409, description = "`email_taken`"),
    )
)]
pub(super) async fn create_user(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<PersonInput>,
) -> Result<(StatusCode, Json<MadePerson>), Problem> {
    auth::admin(&who)?;
    let email = input.email.to_lowercase();
    let display_name = input.display_name.as_deref().unwrap_or_default().trim();
    let comes_with_a_code = input.password.is_none();
    match &input.password {
        Some(password) => app.auth.check_password("/password", password, &[&email, display_name])?,
        None => app.auth.kept_here()?,
    }
    // Nobody knows the one that is made here.
    let password_hash = app.auth.hash(input.password.unwrap_or_else(auth::random_password)).await?;
    let new = NewPerson {
        email: &email,
        password_hash: &password_hash,
        role: input.role,
        display_name,
        age_band: input.age_band.unwrap_or_default(),
    };
    let row = app.store.create_person(who.user_id, &new).await?.ok_or_else(Problem::email_taken)?;
    app.audit.record(&who, &Event::AccountCreated { user: row.id, role: row.role });
    let reset_code = match comes_with_a_code {
        true => Some(app.auth.issue_reset_code(&who, row.id).await?.into()),
        false => None,
    };
    Ok((StatusCode::CREATED, Json(MadePerson { person: row.into(), reset_code })))
}

/// Changes the role, the name or the age band of somebody, or disables and enables their account; who is
/// disabled is signed out everywhere. What they may see and do changes at once, on open sockets within five seconds.
/// By the organisation's admins; the last of them cannot be taken away.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "administration", params(("id" = Uuid, Path)),
    request_body = PersonChangeInput,
    responses(
        (status = 200, body = Person),
        (status = 403, description = "`forbidden`"),
        (status = 409, description = "`last_admin`"),
    )
)]
pub(super) async fn change_user(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
    Valid(input): Valid<PersonChangeInput>,
) -> Result<Json<Person>, Problem> {
    auth::admin(&who)?;
    let change = PersonChange {
        role: input.role,
        disabled: input.disabled,
        display_name: input.display_name.map(|name| name.trim().to_owned()),
        age_band: input.age_band,
    };
    let before = app.store.account(who.user_id, user).await?.ok_or_else(Problem::not_found)?;
    let changed = app.store.change_person(who.user_id, user, &change).await?;
    match changed.ok_or_else(Problem::not_found)? {
        Changed::Person(row) => {
            if row.role != before.role {
                let changed = Event::RoleChanged { user, from: before.role, to: row.role };
                app.audit.record(&who, &changed);
            }
            if row.age_band != before.age_band {
                let changed = Event::AgeBandChanged { user, from: before.age_band, to: row.age_band };
                app.audit.record(&who, &changed);
                // Who may not ask from now on gets no answer to what they asked before; nor where that cannot be
                // learned.
                let consent = app.store.consent_of(who.user_id, user).await;
                if consent.map_or(true, |consent| consent.is_some_and(|consent| consent.is_missing())) {
                    app.sessions.hush(user).await;
                }
            }
            match input.disabled {
                Some(true) => {
                    app.audit.record(&who, &Event::AccountDisabled { user });
                    app.sessions.hush(user).await;
                }
                Some(false) => app.audit.record(&who, &Event::AccountEnabled { user }),
                None => {}
            }
            Ok(Json(row.into()))
        }
        Changed::LastAdmin => Err(Problem::last_admin()),
    }
}

/// Ends every sign-in of somebody: their tokens mean nothing any more and their sockets close within five
/// seconds. By the organisation's admins.
#[utoipa::path(
    post, path = "/admin/users/{id}/sign-out", tag = "administration", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn sign_out(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
) -> Result<StatusCode, Problem> {
    auth::admin(&who)?;
    if !app.store.sign_person_out(who.user_id, user).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::SignedOutByAdmin { user });
    Ok(StatusCode::NO_CONTENT)
}

/// What an end of all sign-ins ended.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SignedOut {
    /// How many sign-ins that were; one's own is among them.
    sign_ins: i64,
}

/// Ends every sign-in of the organisation, one's own too: no token of theirs means anything any more, and open
/// sockets close within five seconds. By its admins. With Supabase Auth a session there that has not come here yet is
/// not ended: sign out there, too.
#[utoipa::path(
    post, path = "/admin/sign-out", tag = "administration",
    responses((status = 200, body = SignedOut), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn sign_out_all(State(app): State<App>, who: Principal) -> Result<Json<SignedOut>, Problem> {
    auth::admin(&who)?;
    let sign_ins = app.store.sign_everybody_out(who.user_id).await?;
    let sign_ins = sign_ins.ok_or_else(|| auth::forbidden(&who, "organisation"))?;
    app.audit.record(&who, &Event::EverybodySignedOut { organisation: who.org_id, sign_ins });
    Ok(Json(SignedOut { sign_ins }))
}

/// The organisation. By its admins.
#[utoipa::path(
    get, path = "/admin/organisation", tag = "administration",
    responses((status = 200, body = Organisation), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn organisation(
    State(app): State<App>,
    who: Principal,
) -> Result<Json<Organisation>, Problem> {
    auth::admin(&who)?;
    let row =
        app.store.organisation(who.user_id).await?.ok_or_else(|| auth::forbidden(&who, "organisation"))?;
    Ok(Json(row.into()))
}

/// Renames the organisation. By its admins.
#[utoipa::path(
    patch, path = "/admin/organisation", tag = "administration", request_body = OrganisationInput,
    responses((status = 200, body = Organisation), (status = 403, description = "`forbidden`"))
)]
pub(super) async fn rename_organisation(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<OrganisationInput>,
) -> Result<Json<Organisation>, Problem> {
    auth::admin(&who)?;
    let row = app.store.rename_organisation(who.user_id, input.name.trim()).await?;
    let row = row.ok_or_else(|| auth::forbidden(&who, "organisation"))?;
    audit::line("organisation_renamed", "organisation", Some(who.user_id), Some(row.id));
    Ok(Json(row.into()))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn what_comes_in_is_checked() {
        let new = |body: serde_json::Value| read::<PersonInput>(body.to_string().as_bytes()).is_ok();
        let good =
            serde_json::json!({"email": "a@example.org", "password": "correct horse", "role": "tutor"});
        assert!(new(good.clone()));
        assert!(new(serde_json::json!({"email": "a@example.org", "role": "tutor"})));
        for (field, value) in [
            ("role", "root"),
            ("org_id", "x"),
            ("id", "x"),
            ("disabled", "x"),
            ("password", "short"),
            ("email", "a"),
        ] {
            let mut bad = good.clone();
            bad[field] = value.into();
            assert!(!new(bad), "{field}");
        }
        let change = |body: &str| read::<PersonChangeInput>(body.as_bytes()).is_ok();
        assert!(change("{}"));
        assert!(change(r#"{"role":"admin","disabled":false,"display_name":""}"#));
        for bad in
            [r#"{"email":"a@b.org"}"#, r#"{"org_id":"x"}"#, r#"{"password":"x"}"#, r#"{"disabled":"yes"}"#]
        {
            assert!(!change(bad), "{bad}");
        }
    }
}
