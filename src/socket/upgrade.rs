//! From an HTTP request to a session's socket: everything that can be refused is refused before the upgrade.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::app::App;
use crate::audit;
use crate::caller::Caller;
use crate::id::Uuid;
use crate::problem::Problem;
use crate::protocol::Person;
use crate::session::{ConnId, OpenError, Viewer};

use super::connection::{self, Connection};
use super::door::{self, Knock, Upgrade};
use super::observation::Observation;
use super::roster;

/// Connection 0 is REST's.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

#[derive(Deserialize)]
struct Position {
    epoch: Option<String>,
    after: Option<String>,
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/api/v1/sessions/{id}/socket", get(open))
        .route("/api/v1/observe/socket", get(roster::open))
        .with_state(app)
}

async fn open(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(position): Query<Position>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let knock = Knock { caller, uri, headers, upgrade };
    audit::asked(knock.heard(&app)?, admit(app, id, position, knock)).await
}

async fn admit(app: App, id: String, position: Position, knock: Knock) -> Result<Response, Problem> {
    let (who, upgrade) = knock.enter(&app).await?;
    let id = Uuid::parse_str(&id).map_err(|_| Problem::not_found())?;
    let (row, access) = app.auth.access(&who, id).await?;
    let handle = app.sessions.open(id).await.map_err(|error| match error {
        OpenError::NotFound => Problem::not_found(),
        OpenError::Unavailable => Problem::storage_unavailable(),
        OpenError::Draining => Problem::draining(),
    })?;
    let observation = Observation::open(&app, &who, &row, access).await?;
    let viewer = Viewer {
        conn: CONNECTIONS.fetch_add(1, Ordering::Relaxed) as ConnId,
        person: Person { id: who.user_id, name: who.name.clone() },
        role: who.role,
        access,
        may_speak: who.may_speak,
        asking: Arc::new(audit::asking()),
    };
    // An epoch or a number that cannot be read is one that cannot be replayed: a snapshot follows.
    let epoch = position.epoch.and_then(|text| Uuid::parse_str(&text).ok());
    let position = epoch.zip(position.after.and_then(|text| text.parse().ok()));
    // Last: whoever is refused for another reason takes no place.
    let place = app.auth.limits().socket(who.user_id)?;
    let connection = Connection { app, who, viewer, handle, _place: place, observation };
    Ok(door::open(upgrade, move |socket| connection::serve(connection, socket, position)))
}
