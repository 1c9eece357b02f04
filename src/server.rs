//! Put the parts together, start, drain, stop.

mod answers;
mod handshakes;
mod listen;
mod preflight;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{self, App, Parts};
use crate::auth::Auth;
use crate::config::Settings;
use crate::convert::Converter;
use crate::files::{Intake, Scanner, Storage};
use crate::gemini::Model;
use crate::session::Registry;
use crate::shutdown::{self, Phase, Trigger};
use crate::store::Store;
use crate::tls::Identity;
use crate::{jobs, pages, practice, rest, socket, telemetry};

/// After the drain: how long interrupted runs have to be written and the writer to finish, sockets to
/// say goodbye, requests to end, and the database to be let go. With the drain's 20 s all of it
/// stays under 30 s, also when each of them takes as long as it may.
const WRITE_OFF: Duration = Duration::from_secs(3);
const GOODBYE: Duration = Duration::from_millis(2500);
const LAST_REQUESTS: Duration = Duration::from_millis(500);
const LET_GO: Duration = Duration::from_secs(3);

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// Everything, and tasks unless others run them.
    Serve,
    /// Tasks alone; it answers operators and nobody else.
    Work,
}

/// A running server.
pub struct Server {
    duty: Duty,
    address: SocketAddr,
    app: App,
    trigger: Arc<Trigger>,
    http: JoinHandle<()>,
    metrics: JoinHandle<()>,
    /// Takes out of the storage what was deleted.
    broom: JoinHandle<()>,
    practice: Option<JoinHandle<()>>,
    worker: Option<JoinHandle<()>>,
}

impl Server {
    pub async fn start(settings: Settings) -> anyhow::Result<Server> {
        Server::start_for(Duty::Serve, settings).await
    }

    /// One that runs tasks and serves nobody.
    pub async fn start_worker(settings: Settings) -> anyhow::Result<Server> {
        anyhow::ensure!(
            settings.database.url.is_some(),
            "DATABASE_URL: a worker needs the server's database, and a private one is its server's alone; \
             example: DATABASE_URL=postgres://user:password@host:5432/fynq"
        );
        Server::start_for(Duty::Work, settings).await
    }

    async fn start_for(duty: Duty, mut settings: Settings) -> anyhow::Result<Server> {
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!("FYNQ_LISTEN: {} cannot be used; example: FYNQ_LISTEN=127.0.0.1:8081", settings.listen)
        })?;
        let address = listener.local_addr()?;
        let tls = settings.tls.as_ref().map(Identity::read).transpose()?;
        let files = Storage::open(&settings.files, &settings.data_dir)?;
        let intake = Intake::open(&settings.data_dir, settings.files.idle_timeout)
            .with_context(|| format!("FYNQ_DATA_DIR: {} cannot be used", settings.data_dir.display()))?;
        let store = Store::connect(&settings.database, &settings.data_dir).await?;
        if duty == Duty::Serve {
            close_what_crashed(&store).await?;
        }
        store.writer().limit(&settings.quotas);
        let (practice, practicing) = practice_model(&mut settings).await?.unzip();
        let model = Model::new(&settings.model)?;
        let auth = Auth::new(&settings, store.clone())?;
        if let (Duty::Serve, Some((email, password))) = (duty, &settings.accounts.admin) {
            auth.ensure_admin(email, password).await?;
        }
        let (trigger, shutdown) = shutdown::channel();
        let sessions = Registry::new(
            settings.session.clone(),
            store.clone(),
            files.clone(),
            model.clone(),
            shutdown.clone(),
        );
        let (gone, heard) = tokio::sync::mpsc::channel(app::GONE);
        let app: App = Arc::new(Parts {
            practice: practicing.is_some(),
            files,
            intake,
            converter: Converter::new(settings.files.program.as_deref()),
            scanner: settings.files.scanner.clone().map(Scanner::new),
            settings,
            audit: store.audit().clone(),
            store,
            model,
            sessions,
            auth,
            shutdown,
            sockets: tokio::sync::watch::Sender::new(0),
            gone,
        });
        if duty == Duty::Serve {
            wake_waiting(&app).await?;
        }
        let works = duty == Duty::Work || app.settings.worker.on;
        let worker = works.then(|| tokio::spawn(jobs::Worker::new(app.clone(), jobs::KINDS).run()));
        let metrics = tokio::spawn(telemetry::fold_metrics(telemetry::metrics()?));
        let broom = tokio::spawn(app::sweep_gone(app.clone(), heard));
        let http = tokio::spawn(listen::serve(listener, tls, router(duty, &app), Arc::clone(&app)));
        Ok(Server { duty, address, app, trigger: Arc::new(trigger), http, metrics, broom, practice, worker })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Said before `shutdown`: sockets are closed with 1001 and not with 1012.
    pub fn by_hand(&self) {
        self.trigger.by_hand();
    }

    /// Ends the drain early: what still runs is interrupted now.
    pub fn hurry(&self) -> impl FnOnce() + Send + 'static {
        let trigger = Arc::clone(&self.trigger);
        move || trigger.advance(Phase::Ending)
    }

    /// Takes nothing new, lets runs finish, writes what is left, says goodbye.
    pub async fn shutdown(self) {
        let app = &self.app;
        let mut phase = app.shutdown.clone();
        self.trigger.advance(Phase::Draining);
        let finished = async {
            tokio::select! { () = app.sessions.quiet() => {}, () = phase.reached(Phase::Ending) => {} }
        };
        let finished = timeout(app.settings.drain, finished).await.is_ok();
        self.trigger.advance(Phase::Ending);
        let write = async {
            app.sessions.quiet().await;
            if let Some(worker) = self.worker {
                let _ = worker.await;
            }
            app.store.writer().flush().await;
        };
        let written = timeout(WRITE_OFF, write).await.is_ok();
        if !(finished && written) {
            tracing::warn!(finished, written, "some answers were cut short by the stop");
        }
        self.trigger.advance(Phase::Stopped);
        let mut sockets = app.sockets.subscribe();
        let farewell = timeout(GOODBYE, sockets.wait_for(|open| *open == 0)).await;
        if farewell.is_err() {
            tracing::warn!("some sockets took no goodbye");
        }
        let mut http = self.http;
        if timeout(LAST_REQUESTS, &mut http).await.is_err() {
            http.abort();
        }
        self.metrics.abort();
        self.broom.abort();
        if let Some(practice) = self.practice {
            practice.abort();
        }
        if timeout(LET_GO, app.store.close()).await.is_err() {
            // A private one ends with this process, and the next start recovers what it must.
            tracing::warn!("the database takes long; leaving it behind");
        }
    }
}

/// What a process that crashed left open.
async fn close_what_crashed(store: &Store) -> anyhow::Result<()> {
    let interrupted = store.close_interrupted().await?;
    if interrupted > 0 {
        tracing::info!(interrupted, "closed the answers that a crash had left open");
    }
    let unobserved = store.close_observations().await?;
    if unobserved > 0 {
        tracing::info!(unobserved, "closed the observations that a crash had left open");
    }
    store.close_signals().await?;
    Ok(())
}

/// Serves until a signal comes, then drains.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    raise_file_limit();
    preflight::check(&settings)?;
    Box::pin(run(Server::start(settings))).await
}

/// Runs tasks until a signal comes, then hands back what it holds.
pub async fn work(settings: Settings) -> anyhow::Result<()> {
    Box::pin(run(Server::start_worker(settings))).await
}

async fn run(start: impl Future<Output = anyhow::Result<Server>>) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    let mut signals = Signals::new()?;
    let server = tokio::select! {
        server = start => server?,
        // What was half started ends with this process, the private PostgreSQL too.
        _ = signals.next() => return Ok(()),
    };
    println!("{}", greeting(&server));
    tracing::info!(ms = started.elapsed().as_millis() as u64, "started");
    if signals.next().await == Told::ByHand {
        server.by_hand();
    }
    tracing::info!("stopping: running answers may finish, nothing new is taken");
    let hurry = server.hurry();
    let stopping = server.shutdown();
    tokio::pin!(stopping);
    tokio::select! {
        () = &mut stopping => return Ok(()),
        _ = signals.next() => hurry(),
    }
    stopping.await;
    Ok(())
}

pub async fn migrate(settings: Settings) -> anyhow::Result<()> {
    let ran = Store::migrate(&settings.database, &settings.data_dir).await?;
    println!("{ran} migrations ran; the schema is up to date");
    Ok(())
}

pub fn openapi() -> String {
    rest::openapi()
}

pub async fn demo_model(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("{listen} cannot be used"))?;
    println!("The practice model speaks Gemini's wire format at http://{}", listener.local_addr()?);
    let mut signals = Signals::new()?;
    tokio::select! {
        served = practice::serve(listener, practice::Options::from_env()) => served?,
        _ = signals.next() => {}
    }
    Ok(())
}

/// With no key and no address: the practice model, behind a real socket like any other.
async fn practice_model(settings: &mut Settings) -> anyhow::Result<Option<(JoinHandle<()>, ())>> {
    if settings.model.api_key.is_some() || settings.model.base_url.is_some() {
        return Ok(None);
    }
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    settings.model.base_url = Some(format!("http://{}", listener.local_addr()?));
    settings.model.name = practice::MODEL_VERSION.to_owned();
    let serving = tokio::spawn(async move {
        if let Err(error) = practice::serve(listener, practice::Options::default()).await {
            tracing::error!(%error, "the practice model stopped");
        }
    });
    Ok(Some((serving, ())))
}

/// Accepted messages whose run had not begun are answered now; and a tutor who held a session and does not come
/// back must lose it, whether anybody looks or not.
async fn wake_waiting(app: &App) -> anyhow::Result<()> {
    let mut waiting = app.store.sessions_waiting().await?;
    let held = app.store.sessions_held().await?;
    if waiting.is_empty() && held.is_empty() {
        return Ok(());
    }
    tracing::info!(waiting = waiting.len(), held = held.len(), "waking sessions");
    waiting.extend(held);
    let sessions = app.sessions.clone();
    tokio::spawn(async move { sessions.wake(waiting).await });
    Ok(())
}

fn router(duty: Duty, app: &App) -> Router {
    if duty == Duty::Work {
        return answers::dressed(rest::operations(app.clone()), &app.settings);
    }
    let doors = Router::new()
        .merge(socket::router(app.clone()))
        .merge(rest::router(app.clone()))
        .fallback_service(pages::router(&pages::directory(&app.settings)));
    answers::dressed(doors, &app.settings)
}

/// The one line that a person starting fynq needs.
fn greeting(server: &Server) -> String {
    let app = &server.app;
    let answers = if app.practice {
        "the practice model answers (set GEMINI_API_KEY for a real one)".to_owned()
    } else {
        format!("{} answers", app.model.name())
    };
    if server.duty == Duty::Work {
        return format!("fynq works on its tasks · {}/health/ready", server.address);
    }
    let scheme = if app.settings.tls.is_some() { "https" } else { "http" };
    format!("fynq is at {scheme}://{} · sign up on the page · {answers}", server.address)
}

/// Ten thousand sockets need ten thousand descriptors: take what the system allows.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Who wants an end.
#[derive(PartialEq, Eq)]
enum Told {
    /// SIGTERM: a supervisor, which starts it again or starts another.
    BySupervisor,
    /// Ctrl-C.
    ByHand,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::BySupervisor,
            _ = self.interrupt.recv() => Told::ByHand,
        }
    }
}
