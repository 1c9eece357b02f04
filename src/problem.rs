//! Errors as the outside sees them: RFC 9457 `application/problem+json`, one mapping for all doors.
//!
//! A `Problem` is made by one of the functions below, so the list of codes is the list of those
//! functions. Internal words (SQL, upstream answers) never become part of one: they are logged.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::convert::ConvertError;
use crate::files::{IntakeError, ScanError, StorageError};
use crate::protocol::ErrorCode;
use crate::session::{OpenError, Refused};
use crate::store::StoreError;

pub const MEDIA_TYPE: &str = "application/problem+json";
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What went wrong, before it knows the request that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// A JSON Pointer into the body (`/text`), or the name of a query parameter (`?limit`).
    pub pointer: String,
    pub message: String,
}

/// The body on the wire.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub struct Body<'a> {
    /// `urn:fynq:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    /// One sentence for a person.
    detail: &'a str,
    /// Stable, in snake_case: what a client branches on.
    code: &'a str,
    /// The same as the `x-request-id` header.
    request_id: &'a str,
    /// The invalid fields of a 422.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $title:literal, $detail:literal;)+) => {
        impl Problem {
            $($(#[$doc])* pub fn $name() -> Problem {
                Problem::new(StatusCode::$status, stringify!($name), $title, $detail)
            })+

            /// Every code that this server answers with, and its status; for the documents.
            pub const CODES: &[(&str, StatusCode)] = &[$((stringify!($name), StatusCode::$status)),+];
        }
    };
}

problems! {
    malformed_json = BAD_REQUEST, "Malformed JSON", "The body is not valid JSON.";
    bad_request = BAD_REQUEST, "Bad request", "The request cannot be understood.";
    /// No token, or one that means nothing (any more). One body for every cause.
    unauthorized = UNAUTHORIZED, "Not signed in", "A valid access token is needed.";
    invalid_credentials = UNAUTHORIZED, "Invalid credentials", "The e-mail address or the password is wrong.";
    /// The role may not do this, or the thing may be seen but not changed.
    forbidden = FORBIDDEN, "Not allowed", "You may not do that.";
    consent_required = FORBIDDEN, "Consent required", "The school needs a consent before questions can be asked. Reading stays possible.";
    /// Does not exist, or may not be seen: nobody can tell which.
    not_found = NOT_FOUND, "Not found", "There is nothing here.";
    method_not_allowed = METHOD_NOT_ALLOWED, "Method not allowed", "This address does not know that method.";
    not_acceptable = NOT_ACCEPTABLE, "Not acceptable", "This address does not answer in that media type.";
    request_timeout = REQUEST_TIMEOUT, "Request timeout", "The request took too long to arrive.";
    /// Where addresses have to be confirmed before the first sign-in.
    email_not_confirmed = FORBIDDEN, "E-mail not confirmed", "Open the link in the message that was sent to this address, then sign in.";
    email_taken = CONFLICT, "E-mail taken", "There is an account with this e-mail address already.";
    queue_full = CONFLICT, "Queue full", "Four messages are already waiting for an answer.";
    /// `detail` names who it was.
    claimed = CONFLICT, "Claimed", "Somebody else is coming already.";
    no_hand = CONFLICT, "No hand", "No hand is up in this session.";
    conflict = CONFLICT, "Conflict", "The state of the resource does not allow that.";
    /// A change that would leave an organisation with nobody to run it.
    last_admin = CONFLICT, "Last admin", "This is the last admin of the organisation.";
    payload_too_large = PAYLOAD_TOO_LARGE, "Payload too large", "The body is larger than 256 KiB.";
    file_too_large = PAYLOAD_TOO_LARGE, "File too large", "The file is larger than this server takes.";
    /// What all of somebody's files take, or all of an organisation's; `detail` says which.
    no_room = PAYLOAD_TOO_LARGE, "No room left", "Your files take all the room that you have. Delete some of them.";
    /// More pixels than are read, or more work.
    image_too_large = PAYLOAD_TOO_LARGE, "Image too large", "The image has more than 25 million pixels.";
    /// What its bytes say that it is, is nothing that is kept.
    unsupported_file = UNSUPPORTED_MEDIA_TYPE, "Unsupported file", "This kind of file is not taken. Images (PNG, JPEG, WebP, GIF), PDF, text and common office documents are.";
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "The body must be application/json.";
    /// `detail` says why, for whoever chose it.
    weak_password = UNPROCESSABLE_ENTITY, "Weak password", "This password is too easy to guess.";
    /// Asked for once more, of somebody who is signed in.
    wrong_password = UNPROCESSABLE_ENTITY, "Wrong password", "The password is not right.";
    range_not_satisfiable = RANGE_NOT_SATISFIABLE, "Range not satisfiable", "The file ends before that.";
    /// A reset code or a join code.
    invalid_code = UNPROCESSABLE_ENTITY, "Invalid code", "This code is not right, or it does not work any more.";
    /// Cut off, damaged, or not what it begins as.
    unreadable_file = UNPROCESSABLE_ENTITY, "Unreadable file", "The file cannot be read. It may be damaged or cut off.";
    malware_found = UNPROCESSABLE_ENTITY, "Malware found", "The scanner found something harmful in this file. It was not kept.";
    invalid_input = UNPROCESSABLE_ENTITY, "Invalid input", "The request holds invalid fields.";
    text_too_long = UNPROCESSABLE_ENTITY, "Text too long", "The message is longer than 16 KiB.";
    rate_limited = TOO_MANY_REQUESTS, "Too many requests", "Too many requests in a short time.";
    quota_exceeded = TOO_MANY_REQUESTS, "Quota exceeded", "The quota is used up.";
    internal = INTERNAL_SERVER_ERROR, "Internal error", "Something went wrong on the server.";
    storage_unavailable = SERVICE_UNAVAILABLE, "Storage unavailable", "The database is away; try again in a moment.";
    /// Where files lie.
    files_unavailable = SERVICE_UNAVAILABLE, "Files unavailable", "The storage of files is away; try again in a moment.";
    scanner_unavailable = SERVICE_UNAVAILABLE, "Scanner unavailable", "The virus scanner is away, and without it no file is taken; try again in a moment.";
    storage_full = INSUFFICIENT_STORAGE, "Storage full", "The storage of files is full. Whoever runs this server has to make room.";
    draining = SERVICE_UNAVAILABLE, "Restarting", "The server is restarting; try again in a moment.";
    /// Supabase Auth does not answer, or not in a way that can be understood.
    identity_unavailable = SERVICE_UNAVAILABLE, "Sign-in unavailable", "The sign-in service is away; try again in a moment.";
    overloaded = SERVICE_UNAVAILABLE, "Overloaded", "The server is busy; try again in a moment.";
}

impl Problem {
    /// The problem that a bare status stands for, if there is one that says no more than it.
    pub fn of_status(status: StatusCode) -> Option<Problem> {
        Some(match status {
            StatusCode::BAD_REQUEST => Problem::bad_request(),
            StatusCode::UNAUTHORIZED => Problem::unauthorized(),
            StatusCode::FORBIDDEN => Problem::forbidden(),
            StatusCode::NOT_FOUND => Problem::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(),
            StatusCode::NOT_ACCEPTABLE => Problem::not_acceptable(),
            StatusCode::REQUEST_TIMEOUT => Problem::request_timeout(),
            StatusCode::PAYLOAD_TOO_LARGE => Problem::payload_too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::unsupported_media_type(),
            StatusCode::INTERNAL_SERVER_ERROR => Problem::internal(),
            _ => return None,
        })
    }

    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: &'static str) -> Problem {
        // Whoever is told to come back is told when.
        let retry_after = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(Duration::from_secs(1)),
            _ => None,
        };
        Problem { status, code, title, detail: Cow::Borrowed(detail), errors: Vec::new(), retry_after }
    }

    /// A 422 that names its fields.
    pub fn invalid(errors: Vec<FieldError>) -> Problem {
        Problem { errors, ..Problem::invalid_input() }
    }

    /// A 422 for one field.
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem::invalid(vec![FieldError { pointer: pointer.into(), message: message.into() }])
    }

    /// A file in a message that is somebody else's, not ready, or none at all.
    pub fn unfit_file(at: usize) -> Problem {
        Problem::field(format!("/files/{at}"), "is no file of yours that is ready")
    }

    /// The field that it is about; `message` says what is wrong there.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Problem {
        self.errors.push(FieldError { pointer: pointer.into(), message: message.into() });
        self
    }

    /// A sentence of ours instead of the usual one. Never upstream's words.
    #[must_use]
    pub fn because(mut self, detail: impl Into<Cow<'static, str>>) -> Problem {
        self.detail = detail.into();
        self
    }

    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Problem {
        self.retry_after = Some(after);
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    /// How long to wait, of those that pass.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    fn headers(&self, request_id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // The header knows whole seconds; rounding down would invite a call that is refused again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        headers
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let request_id = current_request_id();
        let body = Body {
            kind: format!("urn:fynq:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: &request_id,
            errors: &self.errors,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        (self.status, self.headers(&request_id), json).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Unavailable => Problem::storage_unavailable(),
            StoreError::Exists => Problem::conflict(),
            StoreError::Missing => Problem::not_found(),
            refused @ StoreError::Refused(_) => {
                tracing::error!(error = %refused, "the database refused a statement");
                Problem::internal()
            }
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Problem {
        match error {
            StorageError::Missing => Problem::not_found(),
            StorageError::Full => Problem::storage_full(),
            StorageError::TooLarge => Problem::file_too_large(),
            StorageError::BrokenOff => Problem::internal(),
            StorageError::Unavailable | StorageError::Refused => Problem::files_unavailable(),
            StorageError::Denied => {
                Problem::forbidden().because("The storage's own rules do not let you do that.")
            }
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Problem {
        match error {
            IntakeError::Busy => {
                Problem::overloaded().because("Too many uploads at once; try again in a moment.")
            }
            IntakeError::TooLarge => Problem::file_too_large(),
            IntakeError::TooSlow => Problem::request_timeout(),
            IntakeError::BrokenOff => Problem::bad_request().because("The upload broke off."),
            IntakeError::Full => Problem::storage_full(),
            IntakeError::Failed => Problem::internal(),
        }
    }
}

impl From<ConvertError> for Problem {
    fn from(error: ConvertError) -> Problem {
        match error {
            ConvertError::Busy => Problem::overloaded(),
            ConvertError::TooLarge => Problem::image_too_large(),
            ConvertError::Broken => Problem::unreadable_file(),
            ConvertError::Failed => Problem::internal(),
        }
    }
}

impl From<ScanError> for Problem {
    fn from(error: ScanError) -> Problem {
        match error {
            ScanError::Found => Problem::malware_found(),
            ScanError::Away => Problem::scanner_unavailable(),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Problem {
        match error {
            OpenError::NotFound => Problem::not_found(),
            OpenError::Unavailable => Problem::storage_unavailable(),
            OpenError::Draining => Problem::draining(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        if let Some(at) = refused.file {
            return Problem::unfit_file(at);
        }
        let problem = match refused.code {
            ErrorCode::QueueFull => Problem::queue_full(),
            ErrorCode::Draining => Problem::draining(),
            ErrorCode::StorageUnavailable => Problem::storage_unavailable(),
            ErrorCode::TextTooLong => Problem::text_too_long(),
            ErrorCode::NotAllowed => Problem::forbidden(),
            ErrorCode::RateLimited => Problem::rate_limited(),
            ErrorCode::QuotaExceeded => Problem::quota_exceeded(),
            ErrorCode::InvalidCommand => Problem::invalid_input(),
            ErrorCode::ControlHeld | ErrorCode::NoActiveRun => Problem::conflict(),
            _ => Problem::internal(),
        };
        let problem = problem.because(refused.message);
        match refused.retry_after_ms {
            Some(ms) => problem.retry_after(Duration::from_millis(ms)),
            None => problem,
        }
    }
}

tokio::task_local! {
    /// The id of the request that this task answers; a problem made anywhere below carries it.
    static CURRENT: String;
}

/// The id of the request being answered; outside of one, a new id.
pub fn current_request_id() -> String {
    CURRENT.try_with(String::clone).unwrap_or_else(|_| crate::id::new().to_string())
}

/// Runs `work` as part of the request `id`.
pub async fn within_request<F: Future>(id: String, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// Middleware: names the request, and answers with the name in `x-request-id`. Goes outermost; further
/// in it changes nothing.
pub async fn name_request(request: Request, next: Next) -> Response {
    if CURRENT.try_with(|_| ()).is_ok() {
        return next.run(request).await;
    }
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_safe_id(id))
        .map_or_else(|| crate::id::new().to_string(), str::to_owned);
    let header = HeaderValue::from_str(&id);
    let mut response = within_request(id, next.run(request)).await;
    if let Ok(header) = header {
        response.headers_mut().insert(REQUEST_ID, header);
    }
    response
}

/// A client's own id is taken over into logs and answers: short, and nothing that could forge a line.
fn is_safe_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(response: Response) -> (HeaderMap, serde_json::Value) {
        let headers = response.headers().clone();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (headers, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_problem_carries_every_field_and_the_requests_id() {
        let response = within_request("abc-1".into(), async {
            Problem::field("/text", "length is lower than 1").into_response()
        })
        .await;
        assert_eq!(response.status(), 422);
        let (headers, body) = read(response).await;
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[REQUEST_ID], "abc-1");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:fynq:problem:invalid_input",
                "title": "Invalid input",
                "status": 422,
                "detail": "The request holds invalid fields.",
                "code": "invalid_input",
                "request_id": "abc-1",
                "errors": [{"pointer": "/text", "message": "length is lower than 1"}],
            })
        );
    }

    #[tokio::test]
    async fn who_must_wait_is_told_how_long_and_who_must_sign_in_how() {
        let (headers, _) =
            read(Problem::rate_limited().retry_after(Duration::from_millis(1200)).into_response()).await;
        assert_eq!(headers[RETRY_AFTER], "2", "rounded up");
        let (headers, _) = read(Problem::from(StoreError::Unavailable).into_response()).await;
        assert_eq!(headers[RETRY_AFTER], "1");
        let (headers, _) = read(Problem::unauthorized().into_response()).await;
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn internal_words_stay_inside() {
        let problem = Problem::from(StoreError::Refused("relation \"users\" does not exist".into()));
        assert_eq!(problem, Problem::internal());
    }

    #[test]
    fn codes_are_unique_snake_case() {
        let mut seen = std::collections::HashSet::new();
        for (code, status) in Problem::CODES {
            assert!(seen.insert(code), "{code} twice");
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(status.is_client_error() || status.is_server_error());
        }
    }

    #[test]
    fn a_clients_request_id_is_taken_only_if_short_and_plain() {
        assert!(is_safe_id("0193-aZ_.9"));
        for bad in ["", "a b", "a\nb", "ü", "<x>", &"a".repeat(65)] {
            assert!(!is_safe_id(bad), "{bad:?}");
        }
    }
}
