//! The `Authorization` header, read in one place for every door.

use axum::extract::{FromRef, FromRequestParts};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::identity::Principal;
use crate::problem::Problem;

use super::{Auth, secret};

impl Auth {
    /// The token of `Authorization: Bearer …`. `None`: there is no such header. Two of them, another
    /// scheme or unprintable bytes are a refusal, not an absence.
    pub fn bearer<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
        bearer(headers).map_err(|reason| self.refused(reason))
    }

    /// As `bearer`, where nothing else says who is asking.
    pub fn required<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
        self.bearer(headers)?.ok_or_else(|| self.nobody())
    }

    /// That the bearer is this one, which the operator chose. It takes as long for any wrong one.
    pub fn shows(&self, headers: &HeaderMap, token: &SecretString) -> Result<(), Problem> {
        let shown = secret::digest(self.required(headers)?);
        let is_it = shown.ct_eq(&secret::digest(token.expose_secret()));
        if is_it.into() { Ok(()) } else { Err(self.refused("not the operator's")) }
    }

    /// No token where one is needed: in a query, a cookie or another header there is none.
    pub fn nobody(&self) -> Problem {
        self.refused("none")
    }

    /// Of a token or a ticket that opens nothing.
    pub(super) fn refused(&self, reason: &'static str) -> Problem {
        self.0.store.audit().token_refused(reason);
        Problem::unauthorized()
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("two headers");
    }
    let text = value.to_str().map_err(|_| "unprintable")?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            Ok(Some(token))
        }
        _ => Err("another scheme"),
    }
}

impl<S> FromRequestParts<S> for Principal
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Principal, Problem> {
        let auth = Auth::from_ref(state);
        let token = auth.required(&parts.headers)?;
        let who = auth.authenticate(token).await?;
        auth.limits().request_of(who.user_id)?;
        Ok(who)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
            bearer(&headers(bad)).expect_err(&format!("{bad:?}"));
        }
    }
}
