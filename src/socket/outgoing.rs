//! The writing half: frames go out in batches, and a peer that takes nothing is given up.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};

use crate::protocol::CloseCode;

/// How long a peer has to take our close frame and answer it.
const FAREWELL: Duration = Duration::from_secs(2);

/// The peer is gone, or takes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Gone,
    TooSlow,
}

/// Writes all frames and flushes once.
pub(super) async fn write(
    socket: &mut WebSocket,
    frames: impl IntoIterator<Item = Message>,
    patience: Duration,
) -> Result<(), Lost> {
    let sending = async {
        for frame in frames {
            socket.feed(frame).await?;
        }
        socket.flush().await
    };
    let mut sending = std::pin::pin!(sending);
    // A timer is only made for a peer that is slow.
    if let Some(done) = sending.as_mut().now_or_never() {
        return done.map_err(|_| Lost::Gone);
    }
    match tokio::time::timeout(patience, sending).await {
        Ok(done) => done.map_err(|_| Lost::Gone),
        Err(_) => Err(Lost::TooSlow),
    }
}

pub(super) fn text(frame: Bytes) -> Message {
    // Frames are our own JSON; were one not UTF-8, an empty one would be seen as a fault.
    Message::Text(Utf8Bytes::try_from(frame).unwrap_or_default())
}

/// The answer to the peer's goodbye is queued already: it only has to leave.
pub(super) async fn answer_close(mut socket: WebSocket) {
    let farewell = async { while let Some(Ok(_)) = socket.recv().await {} };
    // As below.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Says goodbye and waits a moment for the answer, so that the code arrives.
pub(super) async fn close(mut socket: WebSocket, code: CloseCode) {
    let frame = CloseFrame { code: code.number(), reason: code.reason().into() };
    let farewell = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // A peer that does not answer is dropped all the same.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
