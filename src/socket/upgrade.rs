//! From an HTTP request to a socket: everything that can be refused is refused before the upgrade.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::app::App;
use crate::audit::{self, Asking};
use crate::caller::Caller;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::{self, Problem};
use crate::protocol::{Person, SUBPROTOCOL};
use crate::session::{ConnId, OpenError, Viewer};

use super::connection::{self, Connection};
use super::observation::Observation;

/// tungstenite zero-fills its read buffer at every read: a small one saves most of the memory and
/// much of the time.
const READ_BUFFER: usize = 1024;
const WRITE_BUFFER: usize = 2 * 1024;
/// Above this a frame is not even read; between the contract's 64 KiB and this it is answered
/// with 1009.
const HARD_FRAME: usize = 256 * 1024;

/// Connection 0 is REST's.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

#[derive(Deserialize)]
struct Position {
    epoch: Option<String>,
    after: Option<String>,
}

pub fn router(app: App) -> Router {
    Router::new().route("/api/v1/sessions/{id}/socket", get(open)).with_state(app)
}

async fn open(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(position): Query<Position>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(Problem::draining());
    }
    // Before anything that asks the database.
    app.auth.limits().handshake(caller.address)?;
    let asking = Asking { address: Some(caller.address), request_id: Some(problem::current_request_id()) };
    audit::asked(asking, admit(app, id, position, (caller, uri), headers, upgrade)).await
}

async fn admit(
    app: App,
    id: String,
    position: Position,
    (caller, uri): (Caller, Uri),
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let origin = app.auth.origin(&headers, &uri, caller)?;
    let offered = subprotocols(&headers);
    let who = who(&app, &headers, &offered, origin).await?;
    app.auth.limits().handshake_of(who.user_id)?;
    let upgrade = upgrade.map_err(|_| Problem::bad_request().because("This address is a WebSocket."))?;
    if !offered.is_empty() && !offered.contains(&SUBPROTOCOL) {
        return Err(Problem::bad_request().because("The subprotocol fynq.v1 is needed."));
    }
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
    let connection = Connection { app: app.clone(), who, viewer, handle, _place: place, observation };
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        // What waits there is one batch or one snapshot: `connection` flushes after each.
        .max_write_buffer_size(usize::MAX)
        .max_frame_size(HARD_FRAME)
        .max_message_size(HARD_FRAME)
        .on_upgrade(move |socket| connection::serve(connection, socket, position)))
}

fn subprotocols(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty()).take(8).collect()
}

/// A bearer token, or a browser's ticket as the second subprotocol.
async fn who(
    app: &App,
    headers: &HeaderMap,
    offered: &[&str],
    origin: Option<&str>,
) -> Result<Principal, Problem> {
    if let Some(token) = app.auth.bearer(headers)? {
        return app.auth.authenticate(token).await;
    }
    match offered.iter().find_map(|name| name.strip_prefix("ticket.")) {
        Some(ticket) => {
            app.auth.ticket_may_come_from(origin)?;
            app.auth.redeem_ticket(ticket, origin).await
        }
        None => Err(app.auth.nobody()),
    }
}
