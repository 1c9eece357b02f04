//! From an HTTP request to a socket: everything that can be refused is refused before the upgrade.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::app::App;
use crate::audit::{self, Asking};
use crate::auth;
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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(Problem::draining());
    }
    // Before anything that asks the database.
    app.auth.limits().request(peer.ip())?;
    let asking = Asking { address: Some(peer.ip()), request_id: Some(problem::current_request_id()) };
    audit::asked(asking, admit(app, id, position, headers, upgrade)).await
}

async fn admit(
    app: App,
    id: String,
    position: Position,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let origin = origin(&headers, &app.settings.allowed_origins)?;
    let offered = subprotocols(&headers);
    let who = who(&app, &headers, &offered, origin).await?;
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
    };
    // An epoch or a number that cannot be read is one that cannot be replayed: a snapshot follows.
    let epoch = position.epoch.and_then(|text| Uuid::parse_str(&text).ok());
    let position = epoch.zip(position.after.and_then(|text| text.parse().ok()));
    let connection = Connection { app: app.clone(), who, viewer, handle, observation };
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

/// A browser names its page's origin: ours, or one that the operator allows.
fn origin<'a>(headers: &'a HeaderMap, allowed: &[String]) -> Result<Option<&'a str>, Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
    let origin = origin.to_str().map_err(|_| foreign())?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .is_some_and(|authority| Some(authority) == host);
    if own || allowed.iter().any(|allowed| allowed == origin) { Ok(Some(origin)) } else { Err(foreign()) }
}

fn foreign() -> Problem {
    Problem::forbidden().because("Pages of another origin may not open a socket here.")
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
    if let Some(token) = auth::bearer(headers)? {
        return app.auth.authenticate(token).await;
    }
    match offered.iter().find_map(|name| name.strip_prefix("ticket.")) {
        Some(ticket) => app.auth.redeem_ticket(ticket, origin).await,
        None => Err(Problem::unauthorized()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers
    }

    #[test]
    fn only_our_own_page_and_allowed_ones_open_sockets() {
        let allowed = ["https://school.example".to_owned()];
        for good in ["http://app.example", "https://app.example", "https://school.example"] {
            assert!(origin(&headers("app.example", good), &allowed).is_ok(), "{good}");
        }
        for bad in [
            "https://evil.example",
            "https://app.example.evil.com",
            "https://evilapp.example",
            "https://app.example:444",
            "https://app.example.",
            "null",
            "http://school.example",
            "",
        ] {
            assert!(origin(&headers("app.example", bad), &allowed).is_err(), "{bad}");
        }
    }
}
