//! What every answer has, whichever door gives it: one stack over all of them, so that a refusal, a
//! file, a document and a metric go out dressed alike.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth;
use crate::caller::{self, Caller, Proxies};
use crate::config::Settings;
use crate::problem::{self, Problem};

/// On every answer, whatever a door says.
const ALWAYS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];
/// For what is no page: it loads nothing, runs nothing, and is shown in no frame. The page and the
/// documents bring a policy of their own, and may be kept.
const UNLESS_TOLD: [(HeaderName, &str); 2] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
    ),
    (CACHE_CONTROL, "no-store"),
];
/// A year.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Puts the stack over everything that is served.
pub(super) fn dressed(router: Router, settings: &Settings) -> Router {
    let tls = settings.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    router
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            // The panic hook has written what happened; the message may hold anything.
            tracing::error!("a request panicked");
            Problem::internal().into_response()
        }))
        .layer(middleware::from_fn_with_state(tls, dress))
        .layer(middleware::from_fn(problem::name_request))
        .layer(middleware::from_fn_with_state(Proxies::new(&settings.trusted_proxies), caller::identify))
}

async fn dress(State(tls): State<bool>, request: Request, next: Next) -> Response {
    let tls = tls || Caller::of(request.extensions()).secure == Some(true);
    let (response, limits) = auth::tallied(next.run(request)).await;
    let mut response = explained(response);
    let headers = response.headers_mut();
    headers.extend(limits);
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A refusal is no page, also where a page would have been.
    let problem = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == problem::MEDIA_TYPE);
    for (name, value) in UNLESS_TOLD {
        if problem || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    name_charset(headers);
    response
}

/// A refusal of a library (no body, or a line of text) becomes a problem like ours; its headers stay
/// (`Allow`).
fn explained(response: Response) -> Response {
    let bare = match response.headers().get(CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    let status = response.status();
    if !bare || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let Some(problem) = Problem::of_status(status) else { return response };
    let (parts, _) = response.into_parts();
    let mut problem = problem.into_response();
    for (name, value) in &parts.headers {
        if *name != CONTENT_LENGTH && !problem.headers().contains_key(name) {
            problem.headers_mut().append(name, value.clone());
        }
    }
    problem
}

/// All our texts are UTF-8. An event stream is by definition.
fn name_charset(headers: &mut HeaderMap) {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return };
    if !kind.starts_with("text/") || kind.starts_with("text/event-stream") || kind.contains("charset") {
        return;
    }
    if let Ok(kind) = HeaderValue::from_str(&format!("{kind}; charset=utf-8")) {
        headers.insert(CONTENT_TYPE, kind);
    }
}
