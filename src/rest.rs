//! The REST door: requests in, JSON or a problem out.
//!
//! ```text
//! request ─ CORS ─ panic ─ limit per address ─ route ─ who ─ limit per account ─ input ─ handler
//! ```

mod accounts;
mod admin;
mod age;
mod asyncapi;
mod chat;
mod classes;
mod content;
mod credentials;
mod digest;
mod docs;
mod export;
mod files;
mod health;
mod input;
mod notes;
mod page;
mod records;
mod replay;
mod sessions;
mod sign_ins;
mod study;
mod summary;
mod tasks;
mod tutoring;
mod uploads;

use std::any::Any;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, FromRef, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::audit::{self, Asking};
use crate::auth::{self, Auth};
use crate::caller::Caller;
use crate::problem::{self, Problem};
use crate::telemetry;

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Auth {
        app.auth.clone()
    }
}

/// Everything under `/api`, the health checks, the metrics and the documents. Paths outside of these
/// are left to whoever mounts it, and so are the headers that every answer has.
pub fn router(app: App) -> Router {
    let (routes, openapi) = described().split_for_parts();
    let cors = cors(&app.settings.allowed_origins);
    // Before the first request: what is counted without a recorder is lost.
    if let Err(error) = telemetry::metrics() {
        tracing::error!(%error, "no metrics recorder");
    }
    routes
        .merge(docs::router(openapi))
        .route("/api", any(unknown))
        .route("/api/", any(unknown))
        .route("/api/{*rest}", any(unknown))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .route_layer(middleware::from_fn(count))
        .layer(DefaultBodyLimit::max(input::MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), limit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .with_state(app)
}

/// What operators ask, and nothing else.
pub fn operations(app: App) -> Router {
    let (routes, _) = watched(OpenApiRouter::new()).split_for_parts();
    routes.with_state(app)
}

/// The OpenAPI 3.1 document, made from the very routes that are served.
pub fn openapi() -> String {
    let (_, openapi) = described().split_for_parts();
    docs::finish(openapi).to_pretty_json().unwrap_or_default()
}

/// The AsyncAPI 3 document of the session socket.
pub fn asyncapi() -> serde_json::Value {
    asyncapi::document()
}

fn described() -> OpenApiRouter<App> {
    let api = OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::login))
        .routes(routes!(accounts::refresh))
        .routes(routes!(accounts::logout))
        .routes(routes!(accounts::me, accounts::change_me))
        .routes(routes!(accounts::socket_ticket))
        .routes(routes!(credentials::change_password))
        .routes(routes!(credentials::change_email))
        .routes(routes!(credentials::forgot))
        .routes(routes!(credentials::reset))
        .routes(routes!(credentials::issue_reset_code))
        .routes(routes!(sign_ins::list))
        .routes(routes!(sign_ins::end))
        .routes(routes!(sign_ins::end_others))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::search))
        .routes(routes!(sessions::get, sessions::change, sessions::delete))
        .routes(routes!(sessions::messages))
        .routes(routes!(chat::message))
        .routes(routes!(chat::image::image))
        .routes(routes!(chat::history))
        .routes(routes!(classes::list, classes::create))
        .routes(routes!(classes::join))
        .routes(routes!(classes::get, classes::rename, classes::delete))
        .routes(routes!(classes::new_join_code))
        .routes(routes!(classes::members, classes::add_member))
        .routes(routes!(classes::remove_member))
        .routes(routes!(content::editing::list, content::editing::create))
        .routes(routes!(content::search::search))
        .routes(routes!(content::editing::get, content::editing::change, content::editing::delete))
        .routes(routes!(content::pages::pages))
        .routes(routes!(content::versions::versions))
        .routes(routes!(content::versions::version))
        .routes(routes!(content::versions::restore))
        .routes(routes!(tutoring::whispers))
        .routes(routes!(tutoring::claim))
        .routes(routes!(tutoring::mark))
        .routes(routes!(tutoring::marks))
        .routes(routes!(replay::replay))
        .routes(routes!(notes::list, notes::add))
        .routes(routes!(notes::change, notes::delete))
        .routes(routes!(files::upload))
        .routes(routes!(files::list))
        .routes(routes!(files::get, files::delete))
        .routes(routes!(files::data))
        .routes(routes!(study::ask_for_worksheet, study::worksheet))
        .routes(routes!(study::make, study::list))
        .routes(routes!(study::change, study::delete))
        .routes(routes!(digest::digest))
        .routes(routes!(summary::get))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::get))
        .routes(routes!(tasks::events))
        .routes(routes!(tasks::cancel))
        .routes(routes!(tasks::requeue))
        .routes(routes!(admin::users, admin::create_user))
        .routes(routes!(admin::find_users))
        .routes(routes!(admin::change_user))
        .routes(routes!(admin::sign_out))
        .routes(routes!(admin::sign_out_all))
        .routes(routes!(admin::organisation, admin::rename_organisation))
        .routes(routes!(records::audit))
        .routes(routes!(records::consent))
        .routes(routes!(records::record_consent))
        .routes(routes!(records::policy, records::change_policy))
        .routes(routes!(records::usage))
        .routes(routes!(export::own))
        .routes(routes!(export::of_user))
        .routes(routes!(records::delete_me))
        .routes(routes!(records::delete_user));
    watched(OpenApiRouter::with_openapi(docs::frame()).nest("/api/v1", api))
}

fn watched(router: OpenApiRouter<App>) -> OpenApiRouter<App> {
    router.routes(routes!(health::live)).routes(routes!(health::ready)).routes(routes!(health::metrics))
}

#[derive(Serialize, utoipa::ToSchema)]
struct Index {
    name: &'static str,
    version: &'static str,
    model: ModelName,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ModelName {
    name: String,
    /// Whether it is the built-in practice model.
    practice: bool,
}

/// What this is, which version, and which model answers.
#[utoipa::path(get, path = "", tag = "operations", security(()), responses((status = 200, body = Index)))]
async fn index(State(app): State<App>) -> Json<Index> {
    Json(Index {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        model: ModelName { name: app.model.name().to_owned(), practice: app.practice },
    })
}

async fn unknown() -> Problem {
    Problem::not_found()
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    // The panic hook has written what happened; the message may hold anything.
    tracing::error!("a request panicked");
    Problem::internal().into_response()
}

/// Requests per address.
async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = Caller::of(request.extensions()).address;
    let asking = Asking { address: Some(peer), request_id: Some(problem::current_request_id()) };
    match app.auth.limits().request(peer) {
        Ok(()) => {
            let response = audit::asked(asking, next.run(request)).await;
            if matches!(response.status().as_u16(), 400 | 413 | 415 | 422) {
                app.auth.limits().refused("input", None, Some(peer));
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// Counts answers and their time, by route: never by path, which holds ids.
async fn count(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_default();
    let method = counted_method(request.method());
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    metrics::counter!("fynq_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("fynq_http_request_seconds", "route" => route).record(started.elapsed());
    response
}

/// A client may call its methods what it likes: each name of its own would be a series that stays for ever.
fn counted_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Pages of these origins may call; without any, only our own page can. No cookies are involved.
fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter(|origin| *origin != "*");
    let origins: Vec<HeaderValue> = origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, problem::REQUEST_ID])
        .expose_headers([problem::REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE, auth::LEFT, auth::POLICY])
        .max_age(Duration::from_secs(600))
}
