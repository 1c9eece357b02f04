//! What one signs in with: changed, forgotten, set anew.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::ResetCode;
use crate::clock::Timestamp;
use crate::identity::Principal;
use crate::problem::Problem;

use super::accounts::{Device, Peer, Tokens, good_password, some_password};
use super::input::{Id, Valid, no_nul};

/// Longer than any code with its hyphens and blanks.
const MAX_CODE: usize = 100;

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    #[garde(custom(some_password))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    current_password: SecretString,
    /// 8 to 128 characters, any of them; not one of those that are tried first.
    #[garde(custom(good_password))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    new_password: SecretString,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailChange {
    #[garde(custom(some_password))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    password: SecretString,
    #[garde(length(bytes, max = 254), email, custom(no_nul))]
    #[schema(format = Email, max_length = 254)]
    new_email: String,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgot {
    #[garde(length(bytes, min = 1, max = 254), custom(no_nul))]
    #[schema(min_length = 1, max_length = 254)]
    email: String,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    #[garde(length(bytes, min = 1, max = 254), custom(no_nul))]
    #[schema(min_length = 1, max_length = 254)]
    email: String,
    /// As an admin read it out: case, blanks and hyphens do not matter.
    #[garde(custom(short))]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    code: SecretString,
    /// 8 to 128 characters, any of them; not one of those that are tried first.
    #[garde(custom(good_password))]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    new_password: SecretString,
}

fn short(code: &SecretString, (): &()) -> garde::Result {
    match code.expose_secret().chars().count() {
        0 => Err(garde::Error::new("is empty")),
        n if n > MAX_CODE => Err(garde::Error::new("length is greater than 100")),
        _ => Ok(()),
    }
}

/// Changes the password. Every sign-in ends, and so do its sockets; the answer begins another one for whoever asked.
#[utoipa::path(
    post, path = "/auth/password", tag = "accounts", request_body = PasswordChange,
    responses(
        (status = 200, body = Tokens),
        (status = 422, description = "A field is invalid; `errors` points at it. `wrong_password`, `weak_password`")
    )
)]
pub(super) async fn change_password(
    State(app): State<App>,
    Peer(peer): Peer,
    Device(device): Device,
    who: Principal,
    Valid(change): Valid<PasswordChange>,
) -> Result<Json<Tokens>, Problem> {
    app.auth.limits().sign_in(peer)?;
    let (current, new) = (change.current_password, change.new_password);
    Ok(Json(app.auth.change_password(&who, peer, current, new, &device).await?.into()))
}

/// Changes the address that one signs in with. Every sign-in ends, and so do its sockets; the answer begins another
/// one for whoever asked.
#[utoipa::path(
    post, path = "/auth/email", tag = "accounts", request_body = EmailChange,
    responses(
        (status = 200, body = Tokens),
        (status = 409, description = "`email_taken`"),
        (status = 422, description = "A field is invalid; `errors` points at it. `wrong_password`")
    )
)]
pub(super) async fn change_email(
    State(app): State<App>,
    Peer(peer): Peer,
    Device(device): Device,
    who: Principal,
    Valid(change): Valid<EmailChange>,
) -> Result<Json<Tokens>, Problem> {
    app.auth.limits().sign_in(peer)?;
    let (password, email) = (change.password, change.new_email);
    Ok(Json(app.auth.change_email(&who, peer, password, &email, &device).await?.into()))
}

/// How somebody who forgot the password goes on.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Help {
    /// `admin`: an admin of the school gives out a code for `/auth/reset`.
    next: &'static str,
    /// The same in a sentence.
    message: &'static str,
}

/// Tells that a password was forgotten. The same answer whether or not there is such an account.
#[utoipa::path(
    post, path = "/auth/forgot", tag = "accounts", security(()), request_body = Forgot,
    responses((status = 202, body = Help))
)]
pub(super) async fn forgot(
    State(app): State<App>,
    Peer(peer): Peer,
    Valid(forgot): Valid<Forgot>,
) -> Result<(StatusCode, Json<Help>), Problem> {
    app.auth.limits().sign_in(peer)?;
    app.auth.forgot(forgot.email.trim()).await?;
    let help = Help {
        next: "admin",
        message: "Ask your school's admin for a reset code, then choose a new password with it.",
    };
    Ok((StatusCode::ACCEPTED, Json(help)))
}

/// Sets a new password with a code from an admin. All sign-ins of the account end.
#[utoipa::path(
    post, path = "/auth/reset", tag = "accounts", security(()), request_body = Reset,
    responses(
        (status = 204),
        (status = 422, description = "A field is invalid; `errors` points at it. `invalid_code`, `weak_password`")
    )
)]
pub(super) async fn reset(
    State(app): State<App>,
    Peer(peer): Peer,
    Valid(reset): Valid<Reset>,
) -> Result<StatusCode, Problem> {
    app.auth.limits().sign_in(peer)?;
    app.auth.reset(reset.email.trim(), &reset.code, reset.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A code that sets a new password, once.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct IssuedCode {
    /// To be told to its owner; nobody can read it again.
    #[schema(example = "7K3M-Q0ZD-…")]
    code: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<ResetCode> for IssuedCode {
    fn from(issued: ResetCode) -> IssuedCode {
        IssuedCode { code: issued.code.expose_secret().to_owned(), expires_at: issued.expires_at }
    }
}

/// Makes a reset code for somebody of one's organisation, but not for oneself. One made before works no
/// more.
#[utoipa::path(
    post, path = "/admin/users/{id}/reset-code", tag = "admin", params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 201, body = IssuedCode),
        (status = 403, description = "Only an admin does that, and for others only")
    )
)]
pub(super) async fn issue_reset_code(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
) -> Result<(StatusCode, Json<IssuedCode>), Problem> {
    Ok((StatusCode::CREATED, Json(app.auth.issue_reset_code(&who, user).await?.into())))
}
