//! Supabase Auth (GoTrue) over HTTP: what fynq asks of it, and what its answers mean here.
//!
//! Its words never reach a client: an answer becomes one of `Refused`'s, and those become problems of
//! ours. Tokens that it hands out are verified like anybody else's.

use std::time::Duration;

use anyhow::Context as _;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Supabase;
use crate::problem::Problem;

/// A whole call. GoTrue hashes passwords and may send a message before it answers.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// A user's metadata are in the answer; what goes beyond this is not read.
const MAX_BODY: usize = 256 * 1024;
/// Where the answer's shape changes with the version that is asked for.
const API_VERSION: (&str, &str) = ("x-supabase-api-version", "2024-01-01");
const ERROR_CODE: &str = "x-sb-error-code";
/// Nobody is told to wait longer than this.
const LONGEST_WAIT: u64 = 3600;

pub(super) struct GoTrue {
    base: String,
    http: Client,
    headers: HeaderMap,
}

/// What a sign-in brings. Not believed before the access token is verified.
#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) access_token: SecretString,
    pub(super) refresh_token: SecretString,
}

/// Why GoTrue did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its own code, of those that it documents.
    Code(String),
    TooOften(Option<Duration>),
    /// The password is too easy; in its words for why: `length`, `characters`, `pwned`.
    Weak(Vec<String>),
    /// No answer, or none that means anything.
    Away,
}

/// What signing up led to.
pub(super) enum SignedUp {
    In(Session),
    /// The address must be confirmed first. Also what it says of an address that is taken.
    Unconfirmed,
}

impl GoTrue {
    pub(super) fn new(settings: &Supabase) -> anyhow::Result<GoTrue> {
        let mut key = HeaderValue::from_str(settings.anon_key.expose_secret())
            .context("SUPABASE_ANON_KEY has characters that no header may carry")?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("apikey", key);
        headers.insert(API_VERSION.0, HeaderValue::from_static(API_VERSION.1));
        let http = http_client(&settings.url, PATIENCE)?;
        Ok(GoTrue { base: format!("{}/auth/v1", settings.url), http, headers })
    }

    pub(super) async fn sign_up(&self, email: &str, password: &SecretString) -> Result<SignedUp, Refused> {
        let body = json!({"email": email, "password": password.expose_secret()});
        let answer = self.send(self.post("/signup").json(&body)).await?;
        if answer.get("access_token").is_some() {
            return session(answer).map(SignedUp::In);
        }
        // A user alone: a message with a link is on its way.
        answer.get("id").map(|_| SignedUp::Unconfirmed).ok_or(Refused::Away)
    }

    pub(super) async fn password(&self, email: &str, password: &SecretString) -> Result<Session, Refused> {
        let body = json!({"email": email, "password": password.expose_secret()});
        session(self.send(self.post("/token?grant_type=password").json(&body)).await?)
    }

    pub(super) async fn refresh(&self, token: &SecretString) -> Result<Session, Refused> {
        let body = json!({"refresh_token": token.expose_secret()});
        session(self.send(self.post("/token?grant_type=refresh_token").json(&body)).await?)
    }

    /// Ends the sign-in that this access token belongs to.
    pub(super) async fn log_out(&self, access_token: &str) -> Result<(), Refused> {
        self.send(self.post("/logout?scope=local").bearer_auth(access_token)).await.map(drop)
    }

    /// Has a message sent with which a forgotten password can be replaced; says the same of an
    /// address that it does not know.
    pub(super) async fn recover(&self, email: &str) -> Result<(), Refused> {
        self.send(self.post("/recover").json(&json!({"email": email}))).await.map(drop)
    }

    /// Whether the sign-in of this access token still stands there.
    pub(super) async fn user(&self, access_token: &str) -> Result<(), Refused> {
        let ask = self.http.get(format!("{}/user", self.base)).headers(self.headers.clone());
        self.send(ask.bearer_auth(access_token)).await.map(drop)
    }

    /// What a project tells everybody about itself.
    pub(super) async fn settings(&self) -> Result<Value, Refused> {
        self.send(self.http.get(format!("{}/settings", self.base)).headers(self.headers.clone())).await
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).headers(self.headers.clone())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Refused> {
        let response = request.send().await.map_err(|error| {
            tracing::warn!(timeout = error.is_timeout(), "Supabase Auth does not answer");
            Refused::Away
        })?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = small_body(response, MAX_BODY).await.map_err(|why| {
            tracing::warn!(status, why, "Supabase Auth's answer cannot be read");
            Refused::Away
        })?;
        match status {
            204 => Ok(Value::Null),
            200..=299 => serde_json::from_slice(&body).map_err(|_| {
                tracing::warn!(status, "Supabase Auth answered something that is no JSON");
                Refused::Away
            }),
            429 => Err(Refused::TooOften(wait(&headers))),
            400..=499 => Err(refused(status, &headers, &body)),
            _ => {
                tracing::warn!(status, "Supabase Auth does not work");
                Err(Refused::Away)
            }
        }
    }
}

fn session(answer: Value) -> Result<Session, Refused> {
    serde_json::from_value(answer).map_err(|_| {
        tracing::warn!("Supabase Auth's answer holds no session");
        Refused::Away
    })
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// The code is in a header, in `code` (of today's shape) or in `error_code` (of the one before, where
/// `code` is the status); in a few places OAuth's `error` stands in for it.
fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Refused {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let header = headers.get(ERROR_CODE).and_then(|value| value.to_str().ok());
    let named = [&body["error_code"], &body["code"], &body["error"]].into_iter().find_map(Value::as_str);
    let Some(code) = header.or(named).filter(|code| is_code(code)) else {
        // A gateway before it, perhaps: a key that it does not know, a path that is another's.
        tracing::error!(status, "Supabase Auth refused without saying why: are its settings right?");
        return Refused::Away;
    };
    match code {
        "weak_password" => {
            let reasons = body["weak_password"]["reasons"].as_array();
            let reasons = reasons.into_iter().flatten().filter_map(Value::as_str);
            Refused::Weak(reasons.take(8).map(str::to_owned).collect())
        }
        code if code.starts_with("over_") && code.ends_with("_rate_limit") => {
            Refused::TooOften(wait(headers))
        }
        code => Refused::Code(code.to_owned()),
    }
}

/// Snake case and short: what may stand in a log line.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

impl Refused {
    /// As the answer to signing up.
    pub(super) fn to_sign_up(&self) -> Problem {
        match self {
            Refused::Code(code) => match code.as_str() {
                "user_already_exists" | "email_exists" | "conflict" => Problem::email_taken(),
                "email_address_invalid" | "email_address_not_authorized" | "validation_failed" => {
                    Problem::field("/email", "cannot be used here")
                }
                "signup_disabled" | "email_provider_disabled" => {
                    Problem::forbidden().because("New accounts are not made here.")
                }
                _ => self.to_anyone(),
            },
            _ => self.to_anyone(),
        }
    }

    /// As the answer to a password: whether there is an account, or a ban, is not told.
    pub(super) fn to_password(&self) -> Problem {
        match self {
            Refused::Code(code) => match code.as_str() {
                "invalid_credentials" | "user_banned" | "user_not_found" | "validation_failed" => {
                    Problem::invalid_credentials()
                }
                // It says so only to those who know the password.
                "email_not_confirmed" => Problem::email_not_confirmed(),
                _ => self.to_anyone(),
            },
            _ => self.to_anyone(),
        }
    }

    /// As the answer to a token: it is worth something, or it is not.
    pub(super) fn to_token(&self) -> Problem {
        match self {
            Refused::Code(code) if is_about_the_token(code) => Problem::unauthorized(),
            _ => self.to_anyone(),
        }
    }

    /// Whether it says that the sign-in is over, and not just that something else went wrong.
    pub(super) fn ends_the_sign_in(&self) -> bool {
        matches!(self, Refused::Code(code) if is_about_the_token(code))
    }

    /// Of a refresh token that somebody has shown before: a thief, or its owner after one.
    pub(super) fn is_a_second_use(&self) -> bool {
        matches!(self, Refused::Code(code) if code == "refresh_token_already_used")
    }

    fn to_anyone(&self) -> Problem {
        match self {
            Refused::Code(code) => {
                tracing::error!(%code, "Supabase Auth refused for a reason that no client can change");
                Problem::identity_unavailable()
            }
            Refused::TooOften(wait) => {
                let problem = Problem::rate_limited();
                wait.map_or(problem.clone(), |wait| problem.retry_after(wait))
            }
            Refused::Weak(reasons) => Problem::field("/password", weakness(reasons)),
            Refused::Away => Problem::identity_unavailable(),
        }
    }
}

fn is_about_the_token(code: &str) -> bool {
    matches!(
        code,
        "refresh_token_not_found"
            | "refresh_token_already_used"
            | "session_expired"
            | "session_not_found"
            | "validation_failed"
            | "user_banned"
            | "user_not_found"
            | "bad_jwt"
            | "no_authorization"
            | "invalid_credentials"
    )
}

fn weakness(reasons: &[String]) -> &'static str {
    let has = |reason: &str| reasons.iter().any(|one| one == reason);
    if has("pwned") {
        "is known from a breach: choose another"
    } else if has("length") {
        "is too short for this school's rules"
    } else if has("characters") {
        "needs other kinds of characters by this school's rules"
    } else {
        "is too easy to guess"
    }
}

/// For a machine that is named in the settings: no redirects, because a password, a token or a key
/// goes where the operator said and nowhere else.
pub(super) fn http_client(url: &str, patience: Duration) -> anyhow::Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("fynq/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(patience)
        .tcp_nodelay(true);
    if !url.to_ascii_lowercase().starts_with("https://") {
        // Plain HTTP needs no certificates, and a machine may have none.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build().context("the HTTP client for Supabase could not be made")
}

/// A body of at most `most` bytes.
pub(super) async fn small_body(mut response: Response, most: usize) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    while let Some(more) = response.chunk().await.map_err(|_| "broken off")? {
        if body.len() + more.len() > most {
            return Err("too long");
        }
        body.extend_from_slice(&more);
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
