//! Sockets of fynq: a session's, whose log is followed, and any other as it is. Small buffers: there are ten
//! thousand of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::answer::{Follower, Heard, Tally, Window};

/// Longer than this nobody waits for a frame that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A source address has some 28,000 ports for one destination; well below that the next is taken.
const SOCKETS_AN_ADDRESS: usize = 16_000;
/// What the kernel buffers of a reader that never reads would otherwise hide.
const SMALL_RECEIVE_BUFFER: u32 = 4096;

/// How a TCP connection is made: `number` chooses the source address.
pub(crate) async fn dial(server: SocketAddr, number: usize, small: bool) -> anyhow::Result<TcpStream> {
    let tcp = TcpSocket::new_v4()?;
    if small {
        tcp.set_recv_buffer_size(SMALL_RECEIVE_BUFFER)?;
    }
    if number >= SOCKETS_AN_ADDRESS {
        let last = u8::try_from(1 + number / SOCKETS_AN_ADDRESS).context("too many sockets")?;
        tcp.bind((IpAddr::from(Ipv4Addr::new(127, 0, 0, last)), 0).into())?;
    }
    let stream = tcp.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where a socket leads, and as whom.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) server: SocketAddr,
    /// Below `/api/v1/`.
    pub(crate) path: String,
    pub(crate) token: String,
}

impl Door {
    pub(crate) fn of_session(server: SocketAddr, id: &str, token: &str) -> Door {
        Door { server, path: format!("sessions/{id}/socket"), token: token.to_owned() }
    }
}

/// Texts in and out.
pub(crate) struct Wire(WebSocketStream<TcpStream>);

impl Wire {
    pub(crate) async fn open(door: &Door, number: usize, small: bool) -> anyhow::Result<Wire> {
        let tcp = dial(door.server, number, small).await?;
        let mut request = format!("ws://{}/api/v1/{}", door.server, door.path).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", door.token).parse()?);
        headers.insert("sec-websocket-protocol", "fynq.v1".parse()?);
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(1024)
            .max_message_size(None)
            .max_frame_size(None);
        let opening = tokio_tungstenite::client_async_with_config(request, tcp, Some(config));
        let (stream, _) = timeout(PATIENCE, opening).await.context("no upgrade")??;
        Ok(Wire(stream))
    }

    /// The next text, however long it takes.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Bytes> {
        loop {
            if let Some(text) = text(self.0.next().await)? {
                return Ok(text);
            }
        }
    }

    pub(crate) async fn send(&mut self, text: String) -> anyhow::Result<()> {
        timeout(PATIENCE, self.0.send(Message::text(text))).await.context("the server reads nothing")??;
        Ok(())
    }
}

/// None: nothing that was said.
fn text(frame: Option<Result<Message, Error>>) -> anyhow::Result<Option<Bytes>> {
    match frame.context("the socket was closed")?? {
        Message::Text(text) => Ok(Some(text.into())),
        Message::Ping(_) | Message::Pong(_) => Ok(None),
        other => bail!("an unexpected frame: {other:?}"),
    }
}

/// A student's or a tutor's socket on a session.
pub(crate) struct Socket {
    wire: Wire,
    pub(crate) follower: Follower,
}

impl Socket {
    /// Comes back when the snapshot is there.
    pub(crate) async fn open(door: &Door, number: usize, chunks: u64, small: bool) -> anyhow::Result<Socket> {
        let mut socket =
            Socket { wire: Wire::open(door, number, small).await?, follower: Follower::new(chunks) };
        while socket.follower.seq.is_none() {
            socket.hear(&Window::default(), &mut Tally::default()).await?;
        }
        Ok(socket)
    }

    /// Reads one frame.
    pub(crate) async fn hear(&mut self, window: &Window, tally: &mut Tally) -> anyhow::Result<Heard> {
        timeout(PATIENCE, self.wait(window, tally)).await.context("no frame came")?
    }

    /// Reads one frame, however long it takes.
    pub(crate) async fn wait(&mut self, window: &Window, tally: &mut Tally) -> anyhow::Result<Heard> {
        let text = self.wire.next().await?;
        self.follower.hear(&text, window, tally)
    }

    /// Asks, and reads until the answer has ended.
    pub(crate) async fn ask(
        &mut self,
        question: &str,
        window: &Window,
        tally: &mut Tally,
    ) -> anyhow::Result<()> {
        let id = uuid::Uuid::now_v7();
        self.wire.send(format!("{{\"type\":\"send\",\"id\":\"{id}\",\"text\":\"{question}\"}}")).await?;
        let moved = tally.moved;
        while !matches!(self.hear(window, tally).await?, Heard::Finished) {
            ensure!(tally.moved == moved, "a student who reads was moved forward");
        }
        Ok(())
    }

    /// The server is still there, and so are we.
    pub(crate) async fn prove_alive(&mut self) -> anyhow::Result<()> {
        self.wire.send("{\"type\":\"ping\",\"t\":1}".to_owned()).await?;
        let (window, mut tally) = (Window::default(), Tally::default());
        while !matches!(self.hear(&window, &mut tally).await?, Heard::Pong) {}
        Ok(())
    }
}
