//! A student's end of a session socket.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frame::{Frame, Transcript};

/// Nothing that a test waits for takes longer on a machine that is merely busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An upgrade that was refused with plain HTTP.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The log as this socket saw it. `ready` and `snapshot` set it up.
    pub(crate) log: Transcript,
    pub(crate) epoch: String,
    /// The first frame.
    pub(crate) ready: Value,
    /// The second frame, unless resumed.
    pub(crate) snapshot: Option<Value>,
    /// Every text that came, once somebody listens: see `listen`.
    heard: Option<Arc<Mutex<String>>>,
    /// The last frames, for the error message of a test that waits in vain.
    seen: VecDeque<Frame>,
}

impl Socket {
    /// Opens a socket and reads `ready` and, unless resumed, `snapshot`.
    pub(crate) async fn open(
        addr: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, Refusal> {
        let mut socket = Socket::open_bare(addr, path, headers).await?;
        socket.greet(Transcript::default()).await;
        Ok(socket)
    }

    /// Opens a socket and reads nothing.
    pub(crate) async fn open_bare(
        addr: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, Refusal> {
        let mut request = format!("ws://{addr}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            // Bytes, so that a test may send what no browser would.
            let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(name, value);
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let upgraded = tokio::time::timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await;
        match upgraded.expect("the upgrade takes too long") {
            Ok((stream, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "fynq.v1");
                let seen = VecDeque::new();
                let log = Transcript::default();
                let epoch = String::new();
                Ok(Socket { stream, log, epoch, ready: Value::Null, snapshot: None, heard: None, seen })
            }
            Err(Error::Http(response)) => {
                let status = response.status().as_u16();
                let bytes = response.into_body().unwrap_or_default();
                Err(Refusal { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
            }
            Err(error) => panic!("the upgrade failed: {error}"),
        }
    }

    /// From now on every text that comes is written down.
    pub(crate) fn listen(&mut self, heard: &Arc<Mutex<String>>) {
        self.heard = Some(Arc::clone(heard));
    }

    /// Reads `ready` and what must follow. `before`: what a returning client saw.
    pub(crate) async fn greet(&mut self, before: Transcript) {
        let Frame::Control(ready) = self.next().await else { panic!("the first frame is no ready") };
        assert_eq!(ready["type"], "ready", "{ready}");
        ready["epoch"].as_str().expect("an epoch").clone_into(&mut self.epoch);
        self.ready = ready;
        if self.ready["resumed"] == json!(true) {
            self.log = before;
        } else {
            let Frame::Control(snapshot) = self.next().await else { panic!("no snapshot after ready") };
            self.take_snapshot(snapshot);
        }
    }

    fn take_snapshot(&mut self, snapshot: Value) {
        assert_eq!(snapshot["type"], "snapshot", "{snapshot}");
        let messages = snapshot["messages"].as_array().expect("messages").clone();
        let head = snapshot["head"].as_u64().expect("a head");
        let streaming = messages.iter().find(|message| message["status"] == "streaming");
        let run = streaming.map(|message| message["run_id"].as_str().unwrap().to_owned());
        let run = run.or_else(|| self.ready["state"]["run"].as_str().map(str::to_owned));
        self.log = Transcript::from_snapshot(head, &messages, run.as_deref());
        self.snapshot = Some(snapshot);
    }

    /// The next frame; entries are checked and folded into `log`.
    pub(crate) async fn next(&mut self) -> Frame {
        let frame = match tokio::time::timeout(PATIENCE, self.read()).await {
            Ok(frame) => frame,
            Err(_) => panic!("nothing came for {PATIENCE:?}; last frames: {:#?}", self.seen),
        };
        if self.seen.len() == 12 {
            self.seen.pop_front();
        }
        self.seen.push_back(frame.clone());
        match &frame {
            Frame::Entry { seq, ev } => self.log.take(*seq, ev),
            Frame::Control(ctl) if ctl["type"] == "snapshot" && !self.ready.is_null() => {
                self.take_snapshot(ctl.clone());
            }
            _ => {}
        }
        frame
    }

    async fn read(&mut self) -> Frame {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    if let Some(heard) = &self.heard {
                        heard.lock().unwrap().push_str(&text);
                    }
                    return Frame::read(&text);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(close)))) => {
                    return Frame::Close { code: close.code.into(), reason: close.reason.to_string() };
                }
                // Without a code: what RFC 6455 calls 1005.
                Some(Ok(Message::Close(None))) => return Frame::Close { code: 1005, reason: String::new() },
                Some(Ok(other)) => panic!("a frame that the contract does not know: {other:?}"),
                None | Some(Err(_)) => return Frame::Gone,
            }
        }
    }

    /// Reads until a frame fits; gives that frame.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let ended = |frame: &Frame| matches!(frame, Frame::Close { .. } | Frame::Gone);
        let frame = self.until_any(what, |frame| fits(frame) || ended(frame)).await;
        assert!(fits(&frame), "{what} never came before {frame:?}; last frames: {:#?}", self.seen);
        frame
    }

    /// As `until`, where the socket's end may be what is waited for.
    pub(crate) async fn until_any(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let frame = match tokio::time::timeout_at(deadline, self.next()).await {
                Ok(frame) => frame,
                Err(_) => panic!("{what} never came; last frames: {:#?}", self.seen),
            };
            if fits(&frame) {
                return frame;
            }
        }
    }

    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.until(kind, |frame| frame.event() == Some(kind)).await.body().clone()
    }

    pub(crate) async fn control(&mut self, kind: &str) -> Value {
        self.until(kind, |frame| frame.control() == Some(kind)).await.body().clone()
    }

    /// The end of the run that is active or comes next.
    pub(crate) async fn run_end(&mut self) -> Value {
        let ends = |frame: &Frame| matches!(frame.event(), Some("RUN_FINISHED" | "RUN_ERROR"));
        self.until("the end of the run", ends).await.body().clone()
    }

    /// Reads on until the assistant's text so far is `text`.
    pub(crate) async fn answer_so_far(&mut self, text: &str) {
        while !self.log.messages.values().any(|said| said.role == "assistant" && said.text == text) {
            let what = format!("the answer {text:?}");
            self.until(&what, |frame| frame.event() == Some("TEXT_MESSAGE_CONTENT")).await;
        }
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Close { code, .. } => return code,
                Frame::Gone => panic!("gone without a close frame; last frames: {:#?}", self.seen),
                _ => {}
            }
        }
    }

    /// Says goodbye; the code of the server's answer.
    pub(crate) async fn goodbye(&mut self) -> u16 {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let bye = CloseFrame { code: 1000.into(), reason: "bye".into() };
        self.stream.send(Message::Close(Some(bye))).await.expect("the socket takes a close");
        self.closed().await
    }

    pub(crate) async fn send(&mut self, command: Value) {
        self.send_text(&command.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the socket takes a frame");
    }

    /// Sends bytes that no client library would send.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt as _;
        self.stream.get_mut().write_all(bytes).await.expect("the socket takes bytes");
    }

    /// Sends a frame that the server may refuse by closing in the middle of it.
    pub(crate) async fn try_send(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    /// Sends a student's message; gives its id.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        let id = new_id();
        self.send(json!({"type": "send", "id": id, "text": text})).await;
        id
    }

    /// Sends a command; gives its id.
    pub(crate) async fn command(&mut self, kind: &str) -> String {
        let id = new_id();
        self.send(json!({"type": kind, "id": id})).await;
        id
    }

    /// Waits for a round trip: all that was sent before has been handled by the socket's end.
    pub(crate) async fn round_trip(&mut self) {
        let t = new_id();
        self.send(json!({"type": "ping", "id": new_id(), "t": t})).await;
        self.until("pong", |frame| frame.control() == Some("pong") && frame.body()["t"] == json!(t)).await;
    }

    /// The refusal of the command `id`.
    pub(crate) async fn refusal(&mut self, id: &str) -> Value {
        let fits =
            |frame: &Frame| frame.control() == Some("error") && frame.body()["command_id"] == json!(id);
        self.until("an error for the command", fits).await.body().clone()
    }

    pub(crate) async fn accepted(&mut self, id: &str) {
        let fits = |frame: &Frame| frame.control() == Some("accepted") && frame.body()["id"] == json!(id);
        self.until("accepted", fits).await;
    }

    /// Hangs up with no word.
    pub(crate) fn drop_connection(self) -> Transcript {
        self.log
    }
}

impl Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

pub(crate) fn new_id() -> String {
    fynq::id::Uuid::new_v4().to_string()
}
