//! One's own sign-ins: which there are, and their end.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::SignInRow;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;

use super::accounts::{Device, Peer, Tokens, some_password};
use super::input::{Id, Valid, ValidQuery};
use super::page::{ListQuery, Page};

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SignIn {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// To the minute.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// The browser and its system, in a few words.
    #[schema(example = "Firefox on Windows")]
    label: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl From<SignInRow> for SignIn {
    fn from(row: SignInRow) -> SignIn {
        SignIn {
            id: row.id,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            label: row.label,
            current: row.current,
        }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutOthers {
    #[garde(custom(some_password))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    password: SecretString,
}

/// Where one is signed in, newest first.
#[utoipa::path(
    get, path = "/users/me/sign-ins", tag = "accounts", params(ListQuery),
    responses((status = 200, body = Page<SignIn>))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<SignIn>>, Problem> {
    let page = app.auth.own_sign_ins(&who, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, SignIn::from)))
}

/// Ends one of one's own sign-ins: its tokens and its sockets.
#[utoipa::path(
    delete, path = "/users/me/sign-ins/{id}", tag = "accounts", params(("id" = String, Path, format = Uuid)),
    responses((status = 204))
)]
pub(super) async fn end(State(app): State<App>, who: Principal, Id(id): Id) -> Result<StatusCode, Problem> {
    app.auth.end_sign_in(&who, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of one's own sign-ins; the answer begins another one for whoever asked.
#[utoipa::path(
    post, path = "/auth/logout-others", tag = "accounts", request_body = LogoutOthers,
    responses(
        (status = 200, body = Tokens),
        (status = 204, description = "With Supabase Auth: this sign-in goes on, all others are ended"),
        (status = 422, description = "A field is invalid; `errors` points at it. `wrong_password`")
    )
)]
pub(super) async fn end_others(
    State(app): State<App>,
    Peer(peer): Peer,
    Device(device): Device,
    who: Principal,
    Valid(proof): Valid<LogoutOthers>,
) -> Result<Response, Problem> {
    app.auth.limits().sign_in(peer)?;
    Ok(match app.auth.logout_others(&who, peer, proof.password, &device).await? {
        Some(signed_in) => Json(Tokens::from(signed_in)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
