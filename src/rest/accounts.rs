//! Signing up, in, on and out; one's own profile; tickets for sockets.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use garde::Validate;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::app::App;
use crate::auth::{self, NewStudent, SignedIn, TICKET_LIFE};
use crate::caller::Caller;
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::{AgeBand, Principal, Role};
use crate::problem::Problem;
use crate::store::accounts::{Account, ProfileChange};

use super::input::{Valid, given, no_nul, one_line};

/// The client's address.
pub(super) struct Peer(pub(super) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Peer(Caller::of(&parts.extensions).address))
    }
}

/// What the owner of a sign-in will know it by.
pub(super) struct Device(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let named = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Device(auth::device(named)))
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// Compared without regard to case.
    #[garde(length(bytes, max = 254), email, custom(no_nul))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// 8 to 128 characters, any of them; not one of those that are tried first.
    #[garde(custom(good_password))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: SecretString,
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 80), custom(optional_line))]
    #[schema(min_length = 1, max_length = 80)]
    display_name: Option<String>,
    /// Of a class: the account belongs to its organisation, and to it as a student.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 64), custom(optional_line))]
    #[schema(min_length = 1, max_length = 64)]
    join_code: Option<String>,
    /// Of a sign-in that this device still holds: it ends.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    #[garde(length(bytes, min = 1, max = 254), custom(no_nul))]
    #[schema(min_length = 1, max_length = 254)]
    email: String,
    #[garde(custom(some_password))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    password: SecretString,
    /// Of a sign-in that this device still holds: it ends.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    #[garde(skip)]
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

pub(super) fn good_password(password: &SecretString, (): &()) -> garde::Result {
    length(password, 8)
}

/// An account may be older than today's rules.
pub(super) fn some_password(password: &SecretString, (): &()) -> garde::Result {
    length(password, 1)
}

fn length(password: &SecretString, least: usize) -> garde::Result {
    match password.expose_secret().chars().count() {
        n if n < least => Err(garde::Error::new(format!("length is lower than {least}"))),
        n if n > 128 => Err(garde::Error::new("length is greater than 128")),
        _ => Ok(()),
    }
}

pub(super) fn optional_line(text: &Option<String>, context: &()) -> garde::Result {
    text.as_ref().map_or(Ok(()), |text| one_line(text, context))
}

/// What a client holds after signing in.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Tokens {
    access_token: String,
    /// `bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Works once, for `/auth/refresh`.
    refresh_token: String,
    user: User,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct User {
    id: Uuid,
    email: String,
    role: Role,
}

impl From<SignedIn> for Tokens {
    fn from(signed_in: SignedIn) -> Tokens {
        Tokens {
            access_token: signed_in.access_token.expose_secret().to_owned(),
            token_type: "bearer",
            expires_in: signed_in.expires_in,
            refresh_token: signed_in.refresh_token.expose_secret().to_owned(),
            user: User { id: signed_in.user, email: signed_in.email, role: signed_in.role },
        }
    }
}

/// Makes an account for a student and signs it in.
#[utoipa::path(
    post, path = "/auth/register", tag = "accounts", security(()), request_body = Register,
    responses(
        (status = 201, body = Tokens),
        (status = 403, description = "`email_not_confirmed`: made, and a message is on its way (with Supabase Auth); or no new accounts are made"),
        (status = 409, description = "`email_taken`"),
        (status = 422, description = "A field is invalid; `errors` points at each. `weak_password`, `invalid_code`")
    )
)]
pub(super) async fn register(
    State(app): State<App>,
    Peer(peer): Peer,
    Device(device): Device,
    Valid(new): Valid<Register>,
) -> Result<(StatusCode, Json<Tokens>), Problem> {
    app.auth.limits().sign_up(peer)?;
    let held = new.refresh_token;
    let new = NewStudent {
        email: &new.email,
        password: new.password,
        display_name: new.display_name.as_deref().unwrap_or_default().trim(),
        join_code: new.join_code.as_deref().map(str::trim),
        device: &device,
    };
    let signed_in = app.auth.register(new).await?;
    leave(&app, held).await;
    Ok((StatusCode::CREATED, Json(signed_in.into())))
}

/// Signs in.
#[utoipa::path(
    post, path = "/auth/login", tag = "accounts", security(()), request_body = Login,
    responses(
        (status = 200, body = Tokens),
        (status = 401, description = "`invalid_credentials`"),
        (status = 403, description = "`email_not_confirmed` (with Supabase Auth)"),
    )
)]
pub(super) async fn login(
    State(app): State<App>,
    Peer(peer): Peer,
    Device(device): Device,
    Valid(login): Valid<Login>,
) -> Result<Json<Tokens>, Problem> {
    app.auth.limits().sign_in(peer)?;
    let signed_in = app.auth.login(login.email.trim(), login.password, peer, &device).await?;
    leave(&app, login.refresh_token).await;
    Ok(Json(signed_in.into()))
}

/// One sign-in on a device at a time: what it held before ends with the next one. That one is there already: if
/// this fails, it is no failure of signing in.
async fn leave(app: &App, held: Option<SecretString>) {
    let Some(token) = held else { return };
    if let Err(problem) = app.auth.end_held(&token).await {
        tracing::warn!(code = problem.code(), "a sign-in that a device left goes on");
    }
}

/// Trades a refresh token for a new pair. It works once; used again it ends the whole sign-in.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "accounts", security(()), request_body = Refresh,
    responses((status = 200, body = Tokens), (status = 401, description = "`unauthorized`"))
)]
pub(super) async fn refresh(
    State(app): State<App>,
    Peer(peer): Peer,
    Valid(refresh): Valid<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    app.auth.limits().refresh(peer)?;
    Ok(Json(app.auth.refresh(&refresh.refresh_token).await?.into()))
}

/// Signs out: neither the access token nor the refresh token works after this.
#[utoipa::path(post, path = "/auth/logout", tag = "accounts", responses((status = 204)))]
pub(super) async fn logout(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1]), Problem> {
    app.auth.logout(&who).await?;
    app.auth.log_out_upstream(app.auth.required(&headers)?).await;
    Ok((StatusCode::NO_CONTENT, [(CLEAR_SITE_DATA, WHAT_TO_CLEAR)]))
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// Not `"storage"`: the page empties its own, at once and also when the server cannot be reached. The
/// browser would do it later, under whoever signs in next: their outbox's database is closed and the
/// theme that this computer's users chose is gone.
const WHAT_TO_CLEAR: &str = "\"cache\"";

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Profile {
    id: Uuid,
    email: String,
    role: Role,
    /// May be empty: then others see the part of the address before the `@`.
    display_name: String,
    /// A language tag, such as `en` or `pt-BR`.
    locale: String,
    #[schema(required)]
    grade: Option<String>,
    /// Said by an admin of the organisation; it decides whether a consent is asked for.
    age_band: AgeBand,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Account> for Profile {
    fn from(account: Account) -> Profile {
        Profile {
            id: account.id,
            email: account.email,
            role: account.role,
            display_name: account.display_name,
            locale: account.locale,
            grade: account.grade,
            age_band: account.age_band,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// A field that is left out stays as it is; the role, the address and the age band cannot be changed here.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileInput {
    #[serde(default)]
    #[garde(length(chars, max = 80), custom(optional_line))]
    #[schema(max_length = 80)]
    display_name: Option<String>,
    #[serde(default)]
    #[garde(custom(language_tag))]
    #[schema(max_length = 35, example = "en")]
    locale: Option<String>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "given")]
    #[garde(custom(optional_grade))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 40)]
    grade: Option<Option<String>>,
}

fn language_tag(tag: &Option<String>, (): &()) -> garde::Result {
    let Some(tag) = tag else { return Ok(()) };
    let good = tag.len() <= 35
        && tag.split('-').next().is_some_and(|first| first.bytes().all(|b| b.is_ascii_alphabetic()))
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if good { Ok(()) } else { Err(garde::Error::new("is not a language tag such as `en` or `pt-BR`")) }
}

fn optional_grade(grade: &Option<Option<String>>, context: &()) -> garde::Result {
    let Some(Some(grade)) = grade else { return Ok(()) };
    if !(1..=40).contains(&grade.chars().count()) {
        return Err(garde::Error::new("length is not between 1 and 40"));
    }
    one_line(grade, context)
}

/// One's own profile.
#[utoipa::path(get, path = "/users/me", tag = "accounts", responses((status = 200, body = Profile)))]
pub(super) async fn me(State(app): State<App>, who: Principal) -> Result<Json<Profile>, Problem> {
    Ok(Json(app.auth.account(&who).await?.into()))
}

/// Changes one's own profile.
#[utoipa::path(
    put, path = "/users/me", tag = "accounts", request_body = ProfileInput,
    responses((status = 200, body = Profile))
)]
pub(super) async fn change_me(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<ProfileInput>,
) -> Result<Json<Profile>, Problem> {
    let change = ProfileChange {
        display_name: input.display_name.map(|name| name.trim().to_owned()),
        locale: input.locale,
        grade: input.grade,
    };
    let account = app.store.change_profile(who.user_id, &change, clock::now()).await?;
    Ok(Json(account.ok_or_else(Problem::unauthorized)?.into()))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SocketTicket {
    /// Goes into the subprotocol entry `ticket.<ticket>`. Opens one socket.
    ticket: String,
    /// Seconds.
    expires_in: u64,
}

/// A ticket that opens one socket, once, within 30 seconds; bound to the page that asks for it.
#[utoipa::path(
    post, path = "/socket-tickets", tag = "accounts",
    responses(
        (status = 201, body = SocketTicket),
        (status = 403, description = "The page that asks is of another origin than ours or a listed one")
    )
)]
pub(super) async fn socket_ticket(
    State(app): State<App>,
    who: Principal,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<SocketTicket>), Problem> {
    let origin = app.auth.origin(&headers, &uri, caller)?;
    let ticket = app.auth.ticket(&who, origin).await?;
    let body = SocketTicket { ticket: ticket.expose_secret().to_owned(), expires_in: TICKET_LIFE.as_secs() };
    Ok((StatusCode::CREATED, Json(body)))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    fn pointers<T: serde::de::DeserializeOwned + Validate<Context = ()>>(
        body: serde_json::Value,
    ) -> Vec<String> {
        match read::<T>(body.to_string().as_bytes()) {
            Ok(_) => Vec::new(),
            Err(problem) => {
                let pointers = problem.errors().iter().map(|error| error.pointer.clone());
                pointers.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
            }
        }
    }

    #[test]
    fn a_registration_is_checked() {
        let body = |email: &str, password: &str| serde_json::json!({"email": email, "password": password});
        assert!(pointers::<Register>(body("A@example.org", "correct horse")).is_empty());
        assert_eq!(pointers::<Register>(body("not an address", "short")), ["/email", "/password"]);
        assert_eq!(pointers::<Register>(body("a@example.org", &"x".repeat(129))), ["/password"]);
        assert!(pointers::<Register>(body("a@example.org", &"ü".repeat(128))).is_empty());
        let long = format!("{}@example.org", "a".repeat(250));
        assert_eq!(pointers::<Register>(body(&long, "correct horse")), ["/email"]);
        let mut admin = body("a@example.org", "correct horse");
        admin["role"] = "admin".into();
        assert_eq!(pointers::<Register>(admin), ["/role"]);
        let mut named = body("a@example.org", "correct horse");
        named["display_name"] = "a\nb".into();
        assert_eq!(pointers::<Register>(named), ["/display_name"]);
    }

    #[test]
    fn a_profile_is_checked() {
        let good = serde_json::json!({"display_name": "Ada", "locale": "pt-BR", "grade": null});
        assert!(pointers::<ProfileInput>(good).is_empty());
        let bad = serde_json::json!({"display_name": "x".repeat(81), "locale": "no tag", "grade": ""});
        assert_eq!(pointers::<ProfileInput>(bad), ["/display_name", "/grade", "/locale"]);
        for field in ["role", "email", "id"] {
            assert_eq!(pointers::<ProfileInput>(serde_json::json!({field: "x"})), [format!("/{field}")]);
        }
    }
}
