//! The `Authorization` header, read in one place for every door.

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::identity::Principal;
use crate::problem::Problem;

use super::Auth;

/// The token of `Authorization: Bearer …`. `None`: there is no such header. Two of them, another
/// scheme or unprintable bytes are a refusal, not an absence.
pub fn bearer(headers: &http::HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |reason: &'static str| {
        tracing::info!(reason, "a token was refused");
        Problem::unauthorized()
    };
    if values.next().is_some() {
        return Err(refused("two headers"));
    }
    let text = value.to_str().map_err(|_| refused("unprintable"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(Some(token))
        }
        _ => Err(refused("another scheme")),
    }
}

/// As `bearer`, where nothing else says who is asking.
pub fn required(headers: &http::HeaderMap) -> Result<&str, Problem> {
    bearer(headers)?.ok_or_else(nobody)
}

/// No token where one is needed: in a query, a cookie or another header there is none.
pub fn nobody() -> Problem {
    tracing::info!(reason = "none", "a token was refused");
    Problem::unauthorized()
}

impl<S> FromRequestParts<S> for Principal
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Principal, Problem> {
        let token = required(&parts.headers)?;
        let auth = Auth::from_ref(state);
        let who = auth.authenticate(token).await?;
        auth.limits().request_of(who.user_id)?;
        Ok(who)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_bearer_header_or_nothing() {
        assert_eq!(bearer(&headers(&[])).unwrap(), None);
        assert_eq!(bearer(&headers(&["Bearer abc"])).unwrap(), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer abc"])).unwrap(), Some("abc"));
        for bad in [&["Basic abc"][..], &["Bearer"], &["Bearer "], &["abc"], &["Bearer abc", "Bearer abc"]] {
            assert_eq!(bearer(&headers(bad)).unwrap_err(), Problem::unauthorized(), "{bad:?}");
        }
    }
}
