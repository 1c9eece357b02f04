//! What operators and balancers ask: alive, ready, counted. These three answer without anybody's token;
//! the metrics may be for whoever has the operator's own.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::app::App;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::telemetry;

/// A database that takes longer is not one to send students to.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `ok` or `unavailable`.
    status: &'static str,
    checks: Checks,
}

/// Each is `ok` or says in a word what is wrong.
#[derive(Serialize, utoipa::ToSchema)]
struct Checks {
    database: &'static str,
    migrations: &'static str,
    /// `draining` after SIGTERM.
    serving: &'static str,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Alive {
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "operations", security(()), responses((status = 200, body = Alive)))]
pub(super) async fn live() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// The server can do its work: the database answers, its schema is this version's, nothing drains.
#[utoipa::path(
    get, path = "/health/ready", tag = "operations", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health))
)]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (database, migrations) = match tokio::time::timeout(PATIENCE, app.store.check()).await {
        Ok(Ok(())) => ("ok", "ok"),
        Ok(Err(StoreError::Unavailable)) => ("unavailable", "unknown"),
        Ok(Err(_)) => ("ok", "another_version"),
        Err(_) => ("slow", "unknown"),
    };
    let serving = if app.shutdown.is_draining() { "draining" } else { "ok" };
    let checks = Checks { database, migrations, serving };
    let ready = [database, migrations, serving].iter().all(|check| *check == "ok");
    if ready {
        Json(Health { status: "ok", checks }).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unavailable", checks })).into_response()
    }
}

/// Prometheus text. With `FYNQ_METRICS_TOKEN` set, for its bearer alone.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 401, description = "`unauthorized`: the metrics are for the operator alone"),
    )
)]
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = &app.settings.metrics_token {
        app.auth.shows(&headers, token)?;
    }
    let handle = telemetry::metrics().map_err(|error| {
        tracing::error!(%error, "no metrics recorder");
        Problem::internal()
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response())
}
