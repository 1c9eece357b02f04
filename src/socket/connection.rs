//! One open socket: what the log says goes out, what the person says goes in.

use std::pin::Pin;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::app::App;
use crate::auth::Place;
use crate::clock;
use crate::id::Uuid;
use crate::identity::{Access, Principal, Standing};
use crate::protocol::{BadFrame, CloseCode, Command, Control, ErrorCode, MAX_FRAME, parse_command};
use crate::session::{Attachment, Behind, Cursor, Handle, Item, Viewer};
use crate::shutdown::{Phase, Shutdown};

use super::end::{End, rights_end, unreadable};
use super::observation::Observation;
use super::outgoing;
use super::pace::{Pace, Spoken};

/// At most about this much is taken from the log for one write.
const BATCH: usize = 64 * 1024;
/// So often the log is looked at before the peer; then the peer is.
const STRETCH: u8 = 8;
/// `auth_expiring` comes this long before the token's end.
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);
/// Draining clients come back spread over this long.
const RETURN_WITHIN_MS: std::ops::Range<u64> = 500..5_000;

pub(super) struct Connection {
    pub(super) app: App,
    pub(super) who: Principal,
    pub(super) viewer: Viewer,
    pub(super) handle: Handle,
    /// Among the account's sockets.
    pub(super) _place: Place<Uuid>,
    /// Of somebody else's session.
    pub(super) observation: Option<Observation>,
}

pub(super) async fn serve(connection: Connection, socket: WebSocket, position: Option<(Uuid, u64)>) {
    let _open = Counted::new(&connection.app);
    let conn = connection.viewer.conn;
    let handle = connection.handle.clone();
    // What is rare is boxed, here and below: a socket spends its life waiting, and ten thousand of
    // them should not each keep room for everything that could happen.
    let Some(attachment) = Box::pin(handle.attach(connection.viewer.clone(), position)).await else {
        return Box::pin(outgoing::close(socket, CloseCode::Internal)).await;
    };
    let mut open = Box::new(Open::new(connection, socket, attachment.cursor));
    let end = open.run(attachment.first).await;
    if let Some(observation) = &mut open.connection.observation {
        observation.ends(&end);
    }
    Box::pin(handle.detach(conn, end.leaving())).await;
    match end {
        End::Close(code) => Box::pin(outgoing::close(open.socket, code)).await,
        End::Expired => Box::pin(outgoing::close(open.socket, CloseCode::Unauthenticated)).await,
        End::Answered => Box::pin(outgoing::answer_close(open.socket)).await,
        End::Lost => {}
    }
}

struct Open {
    connection: Connection,
    socket: WebSocket,
    cursor: Cursor,
    standing: watch::Receiver<Standing>,
    /// Of whoever watches without owning: whether they still may.
    observing: Option<watch::Receiver<bool>>,
    shutdown: Shutdown,
    seen: Phase,
    outside: FuturesUnordered<Watch>,
    pace: Pace,
    heard: Instant,
    next_ping: Instant,
    /// When the token's end is told, then when it is meant.
    expiry: Instant,
    told: bool,
    stretch: u8,
}

/// What happened next.
enum Next {
    Log(bool),
    Frame(Option<Result<Message, axum::Error>>),
    Timer,
    Outside(Outside),
}

/// What happens to a connection from elsewhere: rare, so it is only polled when it is woken.
enum Outside {
    Rights(End),
    Phase(Phase),
}

type Watch = Pin<Box<dyn Future<Output = Outside> + Send>>;

impl Open {
    fn new(connection: Connection, socket: WebSocket, cursor: Cursor) -> Open {
        let (app, who) = (&connection.app, &connection.who);
        let now = Instant::now();
        // The first ping comes at a random point, so that ten thousand do not come at once.
        let phase = rand::rng().random_range(0.0..1.0);
        Open {
            standing: app.auth.standing(who),
            observing: observing(&connection),
            shutdown: app.shutdown.clone(),
            seen: Phase::Serving,
            outside: FuturesUnordered::new(),
            pace: Pace::new(app.settings.rate_limit.then_some(app.settings.limits.commands_socket)),
            heard: now,
            next_ping: now + app.settings.socket.ping_every.mul_f64(phase),
            expiry: now + remaining(who).saturating_sub(EXPIRY_NOTICE),
            told: false,
            stretch: 0,
            connection,
            socket,
            cursor,
        }
    }

    async fn run(&mut self, first: Vec<bytes::Bytes>) -> End {
        match self.converse(first).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(&mut self, first: Vec<bytes::Bytes>) -> Result<std::convert::Infallible, End> {
        self.write(first).await?;
        let timer = tokio::time::sleep_until(self.next_alarm());
        let mut timer = std::pin::pin!(timer);
        let mut items = Vec::new();
        self.look_outside();
        loop {
            match self.next(timer.as_mut()).await {
                Next::Log(true) => self.forward(&mut items).await?,
                Next::Log(false) => return Err(End::Close(self.farewell())),
                Next::Frame(frame) => {
                    let expiry = self.expiry;
                    Box::pin(self.frame(frame)).await?;
                    // A fresh token has an end of its own.
                    if self.expiry != expiry {
                        timer.as_mut().reset(self.next_alarm());
                    }
                }
                Next::Timer => {
                    Box::pin(self.alarm()).await?;
                    timer.as_mut().reset(self.next_alarm());
                }
                Next::Outside(Outside::Rights(end)) => return Err(end),
                Next::Outside(Outside::Phase(phase)) => {
                    Box::pin(self.phase(phase, &mut items)).await?;
                    self.look_outside();
                }
            }
        }
    }

    /// Rights come first, then what is to be told; but a log that never ends keeps nobody from being heard.
    async fn next(&mut self, timer: Pin<&mut Sleep>) -> Next {
        self.stretch = if self.stretch < STRETCH { self.stretch + 1 } else { 0 };
        if self.stretch > 0 {
            return tokio::select! {
                biased;
                Some(outside) = self.outside.next() => Next::Outside(outside),
                more = self.cursor.ready() => Next::Log(more),
                frame = self.socket.recv() => Next::Frame(frame),
                () = timer => Next::Timer,
            };
        }
        tokio::select! {
            biased;
            Some(outside) = self.outside.next() => Next::Outside(outside),
            frame = self.socket.recv() => Next::Frame(frame),
            more = self.cursor.ready() => Next::Log(more),
            () = timer => Next::Timer,
        }
    }

    // ── Out ─────────────────────────────────────────────────────────────────────────────────────

    async fn forward(&mut self, items: &mut Vec<Item>) -> Result<(), End> {
        match self.cursor.take(items, BATCH) {
            Ok(()) => {
                let written = self.write(items.drain(..).map(|item| item.frame().clone())).await;
                // Nothing is kept while nothing is said.
                if items.capacity() > 64 {
                    *items = Vec::new();
                }
                written
            }
            Err(Behind) => {
                metrics::counter!("fynq_readers_moved_forward_total").increment(1);
                let conn = self.connection.viewer.conn;
                let Some(Attachment { first, cursor }) =
                    Box::pin(self.connection.handle.catch_up(conn)).await
                else {
                    return Err(End::Close(self.farewell()));
                };
                self.cursor = cursor;
                self.write(first).await
            }
        }
    }

    async fn write(&mut self, frames: impl IntoIterator<Item = bytes::Bytes>) -> Result<(), End> {
        self.deliver(frames.into_iter().map(outgoing::text)).await
    }

    /// Rights that end, end also while a slow peer keeps a write waiting.
    async fn deliver(&mut self, frames: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let (role, spoke) = (self.connection.who.role, self.connection.viewer.may_speak);
        let observing = &mut self.observing;
        let patience = self.connection.app.settings.socket.write_timeout;
        tokio::select! {
            biased;
            written = outgoing::write(&mut self.socket, frames, patience) => written.map_err(End::from),
            end = rights_end(&mut self.standing, observing, role, spoke) => Err(end),
        }
    }

    async fn say(&mut self, control: Control<'_>) -> Result<(), End> {
        self.write([control.frame()]).await
    }

    async fn refuse(
        &mut self,
        code: ErrorCode,
        message: &str,
        command_id: Option<&str>,
        retry_after_ms: Option<u64>,
    ) -> Result<(), End> {
        self.say(Control::Error { code, message, command_id, retry_after_ms }).await
    }

    // ── In ──────────────────────────────────────────────────────────────────────────────────────

    async fn frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(End::Close(CloseCode::BadFrame)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return self.protocols_own(),
            Some(Ok(Message::Close(_))) => return Err(End::Answered),
            Some(Err(error)) => return Err(unreadable(&error)),
            None => return Err(End::Lost),
        };
        if text.len() > MAX_FRAME {
            return Err(End::Close(CloseCode::TooBig));
        }
        let parsed = parse_command(&text);
        if matches!(parsed, Err(BadFrame::Malformed)) {
            return Err(End::Close(CloseCode::BadFrame));
        }
        match self.spoken() {
            Spoken::Fine => {}
            Spoken::TooFast(wait) => return self.too_fast(wait, &parsed).await,
            Spoken::TooMuch => {
                self.heard_of("too many commands");
                return Err(End::Close(CloseCode::TooMany));
            }
        }
        match parsed {
            Ok(Command::Ping(t)) => self.say(Control::Pong { t: t.as_deref() }).await,
            Ok(Command::Auth(token)) => Box::pin(self.renew(token)).await,
            Ok(command) => {
                if !Box::pin(self.may_still(&command)).await? {
                    return Ok(());
                }
                // When the session's mailbox is full this waits; what the peer says meanwhile
                // waits in its own buffers.
                self.may_speak_now();
                self.connection.handle.command(&self.connection.viewer, command).await;
                Ok(())
            }
            Err(BadFrame::Invalid { code, message, command_id }) => {
                self.heard_of("command");
                self.refuse(code, &message, command_id.as_deref(), None).await
            }
            Err(BadFrame::Malformed) => Err(End::Close(CloseCode::BadFrame)),
        }
    }

    /// That this person was refused something; a line once a minute.
    fn heard_of(&self, what: &'static str) {
        let Connection { app, who, .. } = &self.connection;
        app.auth.limits().refused(what, Some(who.user_id), None);
    }

    /// One more frame, counted for this socket and for all of the account's.
    fn spoken(&mut self) -> Spoken {
        let Connection { app, who, .. } = &self.connection;
        self.pace.spoken(|| app.auth.limits().command(who.user_id))
    }

    /// What a tutor or an admin orders is done only if they still may, at this moment.
    async fn may_still(&mut self, command: &Command) -> Result<bool, End> {
        let family = self.connection.who.family;
        self.may_observe(family, command.id()).await
    }

    /// Whether this sign-in may watch here, at this moment; whose session it is need not ask.
    async fn may_observe(&mut self, family: Uuid, command: Option<Uuid>) -> Result<bool, End> {
        if self.observing.is_none() {
            return Ok(true);
        }
        let Connection { app, handle, .. } = &self.connection;
        match app.auth.still_observes(family, handle.id()).await {
            Ok(true) => Ok(true),
            Ok(false) => Err(End::Close(CloseCode::Forbidden)),
            Err(_) => {
                let (code, id) = (ErrorCode::StorageUnavailable, command.map(|id| id.to_string()));
                self.refuse(code, code.sentence(), id.as_deref(), Some(2_000)).await?;
                Ok(false)
            }
        }
    }

    /// A consent that was given since the socket opened counts from now on; withdrawn, it ends the socket.
    fn may_speak_now(&mut self) {
        let viewer = &mut self.connection.viewer;
        if !viewer.may_speak && matches!(*self.standing.borrow(), Standing::Good(_)) {
            viewer.may_speak = true;
            self.look_outside();
        }
    }

    /// A ping, which the library answers, or a pong: they cost as much as a command, and nobody waits for
    /// a refusal.
    fn protocols_own(&mut self) -> Result<(), End> {
        match self.spoken() {
            Spoken::Fine | Spoken::TooFast(_) => Ok(()),
            Spoken::TooMuch => Err(End::Close(CloseCode::TooMany)),
        }
    }

    async fn too_fast(&mut self, wait: Duration, parsed: &Result<Command, BadFrame>) -> Result<(), End> {
        let id = match parsed {
            Ok(command) => command.id().map(|id| id.to_string()),
            Err(BadFrame::Invalid { command_id, .. }) => command_id.clone(),
            Err(BadFrame::Malformed) => None,
        };
        let code = ErrorCode::RateLimited;
        self.refuse(code, code.sentence(), id.as_deref(), Some(wait.as_millis() as u64 + 1)).await
    }

    /// A fresh token of the same person on a live socket.
    async fn renew(&mut self, token: secrecy::SecretString) -> Result<(), End> {
        let app = self.connection.app.clone();
        match app.auth.authenticate(token.expose_secret()).await {
            // With another role the socket would not have been opened like this.
            Ok(who) if who.role != self.connection.who.role => Err(End::Close(CloseCode::Forbidden)),
            Ok(who) if who.user_id == self.connection.who.user_id => {
                // Another sign-in may begin to listen here: what the one before was about to hear must not
                // be missed by changing between them.
                if !self.may_observe(who.family, None).await? {
                    return Ok(());
                }
                self.standing = app.auth.standing(&who);
                self.connection.viewer.may_speak = who.may_speak;
                self.expiry = Instant::now() + remaining(&who).saturating_sub(EXPIRY_NOTICE);
                self.told = false;
                self.connection.who = who;
                self.observing = observing(&self.connection);
                self.look_outside();
                Ok(())
            }
            Err(problem) if problem.status().is_server_error() => {
                let code = ErrorCode::StorageUnavailable;
                self.refuse(code, code.sentence(), None, Some(2_000)).await
            }
            // It may have come a moment too late. That a sign-in is over is found by `rights_end`.
            Err(problem) if problem.status() == http::StatusCode::UNAUTHORIZED => Err(End::Expired),
            _ => Err(End::Close(CloseCode::Unauthenticated)),
        }
    }

    // ── Time and rights ─────────────────────────────────────────────────────────────────────────

    fn next_alarm(&self) -> Instant {
        let silent = self.heard + self.connection.app.settings.socket.silent_after;
        self.next_ping.min(silent).min(self.expiry)
    }

    async fn alarm(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let (ping_every, silent_after) = {
            let socket = &self.connection.app.settings.socket;
            (socket.ping_every, socket.silent_after)
        };
        if now >= self.heard + silent_after {
            return Err(End::Lost);
        }
        if now >= self.expiry {
            if self.told {
                return Err(End::Expired);
            }
            self.told = true;
            let left = remaining(&self.connection.who);
            self.expiry = now + left + self.connection.app.settings.socket.expiry_grace;
            self.say(Control::AuthExpiring { in_s: left.as_secs() }).await?;
        }
        if now >= self.next_ping {
            self.next_ping = now + ping_every;
            self.deliver([Message::Ping(bytes::Bytes::new())]).await?;
        }
        Ok(())
    }

    fn look_outside(&mut self) {
        let (mut standing, mut shutdown) = (self.standing.clone(), self.shutdown.clone());
        let (role, seen, mut observing) = (self.connection.who.role, self.seen, self.observing.clone());
        let spoke = self.connection.viewer.may_speak;
        self.outside.clear();
        self.outside.push(Box::pin(async move {
            tokio::select! {
                biased;
                end = rights_end(&mut standing, &mut observing, role, spoke) => Outside::Rights(end),
                phase = shutdown.moved_past(seen) => Outside::Phase(phase),
            }
        }));
    }

    async fn phase(&mut self, phase: Phase, items: &mut Vec<Item>) -> Result<(), End> {
        // With nothing running the phases follow each other faster than this task is woken: whoever
        // is sent away must have been told when to come back.
        if self.seen < Phase::Draining && phase >= Phase::Draining {
            let retry_after_ms = rand::rng().random_range(RETURN_WITHIN_MS);
            self.say(Control::Draining { retry_after_ms }).await?;
        }
        self.seen = phase;
        if phase < Phase::Stopped {
            return Ok(());
        }
        // The ends of runs that the stop waited for are in the log by now.
        while self.cursor.has_more() {
            self.forward(items).await?;
        }
        Err(End::Close(self.stopped()))
    }

    /// The session's log has ended: the session was deleted, or the server stops.
    fn farewell(&self) -> CloseCode {
        if self.shutdown.is_draining() { self.stopped() } else { CloseCode::NoSession }
    }

    /// A supervisor starts another server; a person may not.
    fn stopped(&self) -> CloseCode {
        if self.shutdown.is_by_hand() { CloseCode::ShuttingDown } else { CloseCode::Restarting }
    }
}

fn observing(connection: &Connection) -> Option<watch::Receiver<bool>> {
    let Connection { app, who, viewer, handle, .. } = connection;
    (viewer.access == Access::Observer).then(|| app.auth.observing(who, handle.id()))
}

fn remaining(who: &Principal) -> Duration {
    Duration::try_from(who.expires_at.duration_since(clock::now())).unwrap_or_default()
}

/// Counts open sockets for as long as it lives.
struct Counted(App);

impl Counted {
    fn new(app: &App) -> Counted {
        app.sockets.send_modify(|open| *open += 1);
        metrics::gauge!("fynq_sockets").increment(1.0);
        Counted(app.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sockets.send_modify(|open| *open -= 1);
        metrics::gauge!("fynq_sockets").decrement(1.0);
    }
}
