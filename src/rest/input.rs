//! What comes in: bodies, queries and ids, each checked before a handler sees it.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::IntoResponse;
use bytes::Bytes;
use garde::Validate;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::id::Uuid;
use crate::problem::{FieldError, Problem};

/// The largest body of a JSON call.
pub(super) const MAX_BODY: usize = 256 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body of the right shape whose rules hold.
///
/// Not JSON: 400. Another media type: 415. Too large: 413. JSON of another shape, an unknown field
/// or a broken rule: 422 with a pointer to each. `MOST`: bytes, where a call takes more than others.
pub(super) struct Valid<T, const MOST: usize = MAX_BODY>(pub(super) T);

impl<S, T, const MOST: usize> FromRequest<S> for Valid<T, MOST>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::unsupported_media_type());
        }
        // What says itself that it is too large is not waited for; what does not is cut off there.
        if request.body().size_hint().lower() > MOST as u64 {
            return Err(too_large(MOST));
        }
        DefaultBodyLimit::max(MOST).apply(&mut request);
        let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let body = body.map_err(|_| Problem::request_timeout())?.map_err(|why| unread(why, MOST))?;
        read(&body).map(Valid)
    }
}

fn is_json(request: &Request) -> bool {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn too_large(most: usize) -> Problem {
    let told = Problem::payload_too_large();
    if most == MAX_BODY {
        return told;
    }
    told.because(format!("The body is larger than {} KiB.", most / 1024))
}

fn unread(rejection: BytesRejection, most: usize) -> Problem {
    match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(most),
        _ => Problem::bad_request().because("The body broke off."),
    }
}

/// Reads a body. First whether it is JSON at all, so that 400 and 422 do not depend on the order of
/// its fields.
pub(super) fn read<T>(body: &[u8]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed_json())?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Problem::malformed_json())?;
    // A derived struct also reads from an array: only an object has named fields.
    if !text.trim_start().starts_with('{') {
        return Err(Problem::field("", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (field, message) = tell(&error.inner().to_string());
        let path = error.path().to_string();
        // A missing or unknown field is reported at its parent: the pointer goes to the field itself.
        let parent = if path == "." { String::new() } else { pointer(&path) };
        let at = match field {
            Some(field) if !parent.ends_with(&format!("/{field}")) => format!("{parent}/{field}"),
            _ => parent,
        };
        Problem::field(at, message)
    })?;
    check(&value, pointer)?;
    Ok(value)
}

fn check<T: Validate<Context = ()>>(value: &T, name: impl Fn(&str) -> String) -> Result<(), Problem> {
    value.validate().map_err(|report| {
        let errors = report.iter().map(|(path, error)| FieldError {
            pointer: name(&path.to_string()),
            message: error.message().to_owned(),
        });
        Problem::invalid(errors.collect())
    })
}

/// `a.b[0]` as a JSON Pointer.
fn pointer(path: &str) -> String {
    let path = path.replace("~", "~0").replace("/", "~1");
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}

/// What serde found, without the value (it may be a password): the field that it names, and the words.
fn tell(error: &str) -> (Option<String>, String) {
    let error = error.split(" at line ").next().unwrap_or_default();
    let named = |what: &str| {
        let rest = error.strip_prefix(what)?.strip_prefix(" `")?;
        let name: String = rest.split('`').next()?.chars().take(64).collect();
        Some(name)
    };
    if let Some(field) = named("missing field") {
        return (Some(field), "is required".into());
    }
    if let Some(field) = named("unknown field") {
        return (Some(field), "is not known here".into());
    }
    if let Some(field) = named("duplicate field") {
        return (Some(field), "is given twice".into());
    }
    match error.rsplit_once(", expected ") {
        Some((_, expected)) => (None, format!("must be {expected}")),
        None => (None, "is not valid".into()),
    }
}

/// A query string whose rules hold; anything else is a 422 that names the parameter (`?limit`).
pub(super) struct ValidQuery<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for ValidQuery<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(value) = Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            // axum says "Failed to deserialize query string: limit: invalid digit …".
            let text = rejection.body_text();
            let field = text.split(": ").nth(1).filter(|word| !word.contains(' ')).unwrap_or_default();
            Problem::field(format!("?{field}"), "is not valid")
        })?;
        check(&value, |path| format!("?{path}"))?;
        Ok(ValidQuery(value))
    }
}

/// The id in the path. What is no UUID names nothing: 404.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        parse_id(&text).map(Id).ok_or_else(Problem::not_found)
    }
}

/// Two ids in the path, as `Id`.
pub(super) struct Ids(pub(super) Uuid, pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((first, second)) = path.map_err(|_| Problem::not_found())?;
        let ids = parse_id(&first).zip(parse_id(&second));
        ids.map(|(first, second)| Ids(first, second)).ok_or_else(Problem::not_found)
    }
}

/// The one way an id is written: 36 characters with hyphens.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    if text.len() != 36 {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// An absent field is `None`, a `null` is `Some(None)`.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A rule of every text that goes into the database: PostgreSQL has no NUL.
pub(super) fn no_nul(text: &str, (): &()) -> garde::Result {
    if text.contains('\0') {
        return Err(garde::Error::new("holds a NUL character"));
    }
    Ok(())
}

/// A rule of texts that a person has to see.
pub(super) fn not_blank(text: &str, (): &()) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("is empty"));
    }
    Ok(())
}

/// A rule of names and titles: one line, nothing that hides or reorders.
pub(super) fn one_line(text: &str, (): &()) -> garde::Result {
    let hides = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(hides) {
        return Err(garde::Error::new("holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Note {
        #[garde(length(chars, min = 1, max = 5), custom(no_nul))]
        text: String,
        #[serde(default, deserialize_with = "given")]
        #[garde(skip)]
        title: Option<Option<String>>,
        #[serde(default)]
        #[garde(inner(range(max = 9)))]
        pages: Vec<u32>,
    }

    fn refused(body: &str) -> (u16, String, String) {
        let problem = read::<Note>(body.as_bytes()).unwrap_err();
        let error = problem.errors().first();
        (
            problem.status().as_u16(),
            error.map(|error| error.pointer.clone()).unwrap_or_default(),
            error.map(|error| error.message.clone()).unwrap_or_default(),
        )
    }

    #[test]
    fn what_is_not_json_is_a_400() {
        for body in ["", "{", "nope", r#"{"text": "a"} x"#, r#"{"text": 5, oops"#, "{'text':'a'}"] {
            assert_eq!(refused(body).0, 400, "{body}");
        }
        assert_eq!(read::<Note>(b"{\"text\":\"\xff\"}").unwrap_err().code(), "malformed_json");
    }

    #[test]
    fn json_of_another_shape_is_a_422_that_points_at_it() {
        let cases = [
            ("[]", "", "must be a JSON object"),
            (r#""text""#, "", "must be a JSON object"),
            ("{}", "/text", "is required"),
            (r#"{"text":5}"#, "/text", "must be a string"),
            (r#"{"text":null}"#, "/text", "must be a string"),
            (r#"{"text":"a","role":"admin"}"#, "/role", "is not known here"),
            (r#"{"text":"a","text":"b"}"#, "/text", "is given twice"),
            (r#"{"text":""}"#, "/text", "length is lower than 1"),
            (r#"{"text":"123456"}"#, "/text", "length is greater than 5"),
            (r#"{"text":"a\u0000"}"#, "/text", "holds a NUL character"),
            (r#"{"text":"a","pages":[1,"x"]}"#, "/pages/1", "must be u32"),
            (r#"{"text":"a","pages":[1,10]}"#, "/pages/1", "greater than 9"),
        ];
        for (body, pointer, message) in cases {
            assert_eq!(refused(body), (422, pointer.to_owned(), message.to_owned()), "{body}");
        }
        assert_eq!(refused(r#"{"text":"\ud800"}"#).0, 422);
    }

    #[test]
    fn the_value_is_never_told_back() {
        let problem = read::<Note>(br#"{"text":"a","title":{"hunter2":1}}"#).unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }

    #[test]
    fn absent_and_null_differ() {
        let title = |body: &str| read::<Note>(body.as_bytes()).unwrap().title;
        assert_eq!(title(r#"{"text":"a"}"#), None);
        assert_eq!(title(r#"{"text":"a","title":null}"#), Some(None));
        assert_eq!(title(r#"{"text":"a","title":"b"}"#), Some(Some("b".into())));
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let id = crate::id::new();
        assert_eq!(parse_id(&id.to_string()), Some(id));
        for bad in [id.simple().to_string(), id.braced().to_string(), id.urn().to_string(), "1".into()] {
            assert_eq!(parse_id(&bad), None, "{bad}");
        }
    }
}
