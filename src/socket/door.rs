//! What every socket's door asks before the upgrade: where from, who, how often, which protocol.

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;

use crate::app::App;
use crate::audit::Asking;
use crate::caller::Caller;
use crate::identity::Principal;
use crate::problem::{self, Problem};
use crate::protocol::SUBPROTOCOL;

/// tungstenite zero-fills its read buffer at every read: a small one saves most of the memory and
/// much of the time.
const READ_BUFFER: usize = 1024;
const WRITE_BUFFER: usize = 2 * 1024;
/// Above this a frame is not even read; between the contract's 64 KiB and this it is answered
/// with 1009.
const HARD_FRAME: usize = 256 * 1024;

pub(super) type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// A request for a socket.
pub(super) struct Knock {
    pub(super) caller: Caller,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) upgrade: Upgrade,
}

impl Knock {
    /// Asked before anything that asks the database. Gives what the audit writes down of whoever asks.
    pub(super) fn heard(&self, app: &App) -> Result<Asking, Problem> {
        if app.shutdown.is_draining() {
            return Err(Problem::draining());
        }
        app.auth.limits().handshake(self.caller.address)?;
        let request_id = Some(problem::current_request_id());
        Ok(Asking { address: Some(self.caller.address), request_id })
    }

    /// Who it is, and the upgrade they may have once it is known what they want to see.
    pub(super) async fn enter(self, app: &App) -> Result<(Principal, WebSocketUpgrade), Problem> {
        let Knock { caller, uri, headers, upgrade } = self;
        let origin = app.auth.origin(&headers, &uri, caller)?;
        let offered = subprotocols(&headers);
        let who = who(app, &headers, &offered, origin).await?;
        app.auth.limits().handshake_of(who.user_id)?;
        let upgrade = upgrade.map_err(|_| Problem::bad_request().because("This address is a WebSocket."))?;
        if !offered.is_empty() && !offered.contains(&SUBPROTOCOL) {
            return Err(Problem::bad_request().because("The subprotocol fynq.v1 is needed."));
        }
        Ok((who, upgrade))
    }
}

/// The answer that opens the socket.
pub(super) fn open<F>(
    upgrade: WebSocketUpgrade,
    serve: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        // What waits there is one batch or one snapshot: each is flushed before the next.
        .max_write_buffer_size(usize::MAX)
        .max_frame_size(HARD_FRAME)
        .max_message_size(HARD_FRAME)
        .on_upgrade(serve)
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
