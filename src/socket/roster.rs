//! The roster's door: all live sessions of one's classes on one socket.
//!
//! A reader is a position on the board, as a session's reader is a cursor on its log. Between two writes
//! lies a moment (`PACE`) in which a tile that changes again replaces itself, and a reader who takes nothing
//! skips all that has been replaced meanwhile.

mod feed;
mod hears;
mod record;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::app::App;
use crate::audit;
use crate::auth::{LiveScope, Place};
use crate::caller::Caller;
use crate::clock;
use crate::id::Uuid;
use crate::identity::{Principal, Standing};
use crate::problem::Problem;
use crate::protocol::{CloseCode, Control};
use crate::session::{Tile, Watched};
use crate::shutdown::{Phase, Shutdown};
use crate::store::{RosterRow, StoreError};

use super::door::{self, Knock, Upgrade};
use super::end::{End, rights_end};
use super::outgoing;
use super::pace::Pace;
use super::vitals::{Counted, Due, Vitals, remaining};
use feed::{Feed, resting};
use record::Record;

/// No more than one write in this time: of four updates a second a reader sees each.
const PACE: Duration = Duration::from_millis(250);
/// How often rows are read: for sessions that nobody has open.
const ROWS_EVERY: Duration = Duration::from_secs(30);
/// … and at most: when many leave the board, one look answers for all.
const ROWS_PACE: Duration = Duration::from_secs(1);
/// A session is live for this long after its last message.
const LIVE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
/// Draining clients come back spread over this long.
const RETURN_WITHIN_MS: std::ops::Range<u64> = 500..5_000;

pub(super) async fn open(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let knock = Knock { caller, uri, headers, upgrade };
    audit::asked(knock.heard(&app)?, admit(app, knock)).await
}

async fn admit(app: App, knock: Knock) -> Result<Response, Problem> {
    let (who, upgrade) = knock.enter(&app).await?;
    let scope = app.auth.roster(&who).await?;
    let record = Record::open(&app, &who).await?;
    let rows = rows(&app, &who).await?;
    // Last: whoever is refused for another reason takes no place.
    let place = app.auth.limits().socket(who.user_id)?;
    let connection = Connection { app, who, scope, record, _place: place };
    Ok(door::open(upgrade, move |socket| serve(connection, socket, rows)))
}

async fn rows(app: &App, who: &Principal) -> Result<Vec<RosterRow>, StoreError> {
    let since = clock::now().checked_sub(LIVE).unwrap_or_default();
    app.store.roster_rest(who.user_id, who.org_id, since).await
}

struct Connection {
    app: App,
    who: Principal,
    scope: LiveScope,
    record: Record,
    /// Among the account's sockets.
    _place: Place<Uuid>,
}

async fn serve(connection: Connection, socket: WebSocket, rows: Vec<RosterRow>) {
    let _open = Counted::new(&connection.app);
    let scope = connection.scope.borrow().clone();
    let Some(scope) = scope else {
        return Box::pin(outgoing::close(socket, CloseCode::Forbidden)).await;
    };
    let mut open = Box::new(Open::new(connection, socket, Feed::new(scope)));
    let end = match open.converse(rows).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    open.connection.record.ends(&end);
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
    feed: Feed,
    /// While somebody reads, tiles follow answers as they are written.
    _watched: Watched,
    standing: watch::Receiver<Standing>,
    shutdown: Shutdown,
    seen: Phase,
    outside: FuturesUnordered<Watch>,
    /// The rows that are being read.
    reading: FuturesUnordered<Reading>,
    next_rows: Instant,
    last_rows: Instant,
    /// Not before this the next write of what changed.
    quiet_until: Instant,
    pace: Pace,
    vitals: Vitals,
}

/// What happened next.
enum Next {
    Frame(Option<Result<Message, axum::Error>>),
    Board,
    Scope,
    Rows(Option<Vec<Tile>>),
    Timer,
    Rights(End),
    Phase(Phase),
}

/// What happens to a connection from elsewhere: rare, so it is only polled when it is woken.
type Watch = Pin<Box<dyn Future<Output = Next> + Send>>;
type Reading = Pin<Box<dyn Future<Output = Option<Vec<Tile>>> + Send>>;

impl Open {
    fn new(connection: Connection, socket: WebSocket, feed: Feed) -> Open {
        let (app, who) = (&connection.app, &connection.who);
        let now = Instant::now();
        Open {
            _watched: app.sessions.board().watch(),
            standing: app.auth.standing(who),
            shutdown: app.shutdown.clone(),
            seen: Phase::Serving,
            outside: FuturesUnordered::new(),
            reading: FuturesUnordered::new(),
            next_rows: now + ROWS_EVERY,
            last_rows: now,
            quiet_until: now,
            pace: Pace::new(app.settings.rate_limit.then_some(app.settings.limits.commands_socket)),
            vitals: Vitals::new(&app.settings.socket, remaining(who)),
            connection,
            socket,
            feed,
        }
    }

    async fn converse(&mut self, rows: Vec<RosterRow>) -> Result<std::convert::Infallible, End> {
        let now = clock::now();
        let rows = rows.into_iter().map(|row| resting(row, now)).collect();
        let (version, tiles) = self.connection.app.sessions.board().all(self.connection.who.org_id);
        let first = self.feed.whole(version, &tiles, Some(rows));
        drop(tiles);
        self.write([first]).await?;
        self.look_outside();
        let timer = tokio::time::sleep_until(self.next_alarm());
        let mut timer = std::pin::pin!(timer);
        loop {
            match self.next(timer.as_mut()).await {
                Next::Frame(frame) => Box::pin(self.frame(frame)).await?,
                Next::Board => self.forward().await?,
                Next::Scope => self.rescope().await?,
                Next::Rows(Some(rows)) => {
                    let frames = self.feed.rows(rows);
                    self.write(frames).await?;
                }
                // The database is away: what was told stays.
                Next::Rows(None) => self.next_rows = self.last_rows + 2 * ROWS_PACE,
                Next::Timer => Box::pin(self.alarm()).await?,
                Next::Rights(end) => return Err(end),
                Next::Phase(phase) => {
                    Box::pin(self.phase(phase)).await?;
                    self.look_outside();
                }
            }
            if self.reading.is_empty() && self.feed.asks() {
                self.next_rows = self.next_rows.min(self.last_rows + ROWS_PACE);
            }
            timer.as_mut().reset(self.next_alarm());
        }
    }

    async fn next(&mut self, timer: Pin<&mut Sleep>) -> Next {
        let board = self.connection.app.sessions.board();
        let (org, version, quiet_until) = (self.connection.who.org_id, self.feed.version, self.quiet_until);
        let changed = async {
            board.changed(org, version).await;
            tokio::time::sleep_until(quiet_until).await;
        };
        tokio::select! {
            biased;
            Some(outside) = self.outside.next() => outside,
            frame = self.socket.recv() => Next::Frame(frame),
            Ok(()) = self.connection.scope.changed() => Next::Scope,
            Some(rows) = self.reading.next() => Next::Rows(rows),
            () = changed => Next::Board,
            () = timer => Next::Timer,
        }
    }

    // ── Out ─────────────────────────────────────────────────────────────────────────────────────

    async fn forward(&mut self) -> Result<(), End> {
        let frames = self.news();
        self.quiet_until = Instant::now() + PACE;
        self.write(frames).await
    }

    /// What is newer on the board.
    fn news(&mut self) -> Vec<Bytes> {
        let (board, org) = (self.connection.app.sessions.board(), self.connection.who.org_id);
        match board.since(org, self.feed.version) {
            Ok((version, changes)) => self.feed.changes(version, &changes),
            Err(_) => {
                metrics::counter!("fynq_readers_moved_forward_total").increment(1);
                let (version, tiles) = board.all(org);
                vec![self.feed.whole(version, &tiles, None)]
            }
        }
    }

    /// Rights that were lost are told at once, whatever the pace.
    async fn rescope(&mut self) -> Result<(), End> {
        let scope = self.connection.scope.borrow_and_update().clone();
        // Without a reason in the standing: another school, or a row that is gone.
        let scope = scope.filter(|scope| scope.org == self.connection.who.org_id);
        let Some(scope) = scope else { return Err(End::Close(CloseCode::Forbidden)) };
        let (_, tiles) = self.connection.app.sessions.board().all(scope.org);
        let frames = self.feed.scoped(Arc::clone(&scope), &tiles);
        self.write(frames).await
    }

    fn read_rows(&mut self) {
        self.last_rows = Instant::now();
        self.next_rows = self.last_rows + ROWS_EVERY;
        let (app, who) = (self.connection.app.clone(), self.connection.who.clone());
        self.reading.push(Box::pin(async move {
            let read = rows(&app, &who).await;
            let read = read.inspect_err(|error| tracing::debug!(%error, "a roster's rows could not be read"));
            let now = clock::now();
            Some(read.ok()?.into_iter().map(|row| resting(row, now)).collect())
        }));
    }

    async fn write(&mut self, frames: impl IntoIterator<Item = Bytes>) -> Result<(), End> {
        self.deliver(frames.into_iter().map(outgoing::text)).await
    }

    /// Rights that end, end also while a slow peer keeps a write waiting.
    async fn deliver(&mut self, frames: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let role = self.connection.who.role;
        let patience = self.connection.app.settings.socket.write_timeout;
        let (mut scope, mut none) = (self.connection.scope.clone(), None);
        let shut_out = async {
            if scope.wait_for(Option::is_none).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            written = outgoing::write(&mut self.socket, frames, patience) => written.map_err(End::from),
            end = rights_end(&mut self.standing, &mut none, role, false) => Err(end),
            () = shut_out => Err(End::Close(CloseCode::Forbidden)),
        }
    }

    // ── Time and rights ─────────────────────────────────────────────────────────────────────────

    fn next_alarm(&self) -> Instant {
        self.vitals.next().min(self.next_rows)
    }

    async fn alarm(&mut self) -> Result<(), End> {
        if Instant::now() >= self.next_rows && self.reading.is_empty() {
            self.read_rows();
        }
        match self.vitals.due(remaining(&self.connection.who))? {
            Due::Nothing => Ok(()),
            Due::Ping => self.deliver([Message::Ping(Bytes::new())]).await,
            Due::Expiry(in_s) => self.write([Control::AuthExpiring { in_s }.frame()]).await,
        }
    }

    fn look_outside(&mut self) {
        let (mut standing, mut shutdown) = (self.standing.clone(), self.shutdown.clone());
        let (role, seen, mut none) = (self.connection.who.role, self.seen, None);
        self.outside.clear();
        self.outside.push(Box::pin(async move {
            tokio::select! {
                biased;
                end = rights_end(&mut standing, &mut none, role, false) => Next::Rights(end),
                phase = shutdown.moved_past(seen) => Next::Phase(phase),
            }
        }));
    }

    async fn phase(&mut self, phase: Phase) -> Result<(), End> {
        // As on a session: whoever is sent away must have been told when to come back.
        if self.seen < Phase::Draining && phase >= Phase::Draining {
            let retry_after_ms = rand::rng().random_range(RETURN_WITHIN_MS);
            self.write([Control::Draining { retry_after_ms }.frame()]).await?;
        }
        self.seen = phase;
        if phase < Phase::Stopped {
            return Ok(());
        }
        // A supervisor starts another server; a person may not.
        let by_hand = self.shutdown.is_by_hand();
        Err(End::Close(if by_hand { CloseCode::ShuttingDown } else { CloseCode::Restarting }))
    }
}
