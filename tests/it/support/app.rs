//! The real server in this process: on a free port, with a database of its own and a model in the
//! test's hands.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fynq::config::Settings;
use fynq::server::Server;
use secrecy::ExposeSecret as _;

use super::client::Client;
use super::model::Model;
use super::pg;
use super::proxy::{Proxy, Target};
use super::socket::Socket;

pub(crate) struct TestApp {
    pub(crate) addr: SocketAddr,
    pub(crate) model: Model,
    /// Stands between fynq and PostgreSQL, for tests that take it away.
    pub(crate) database_proxy: Option<Proxy>,
    server: Option<Server>,
    settings: Settings,
    _scratch: Scratch,
    // Dropped last: the server lets go of it first.
    pub(crate) database: pg::Db,
}

pub(crate) struct Builder {
    settings: Settings,
    practice: bool,
    database_proxy: bool,
}

impl TestApp {
    pub(crate) fn builder() -> Builder {
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            rate_limit: false,
            drain: Duration::from_secs(5),
            ..Settings::default()
        };
        settings.accounts.token_secret = Some("a secret that is only a test's own".into());
        // Retries are for tests that ask for them.
        settings.model.attempts = 1;
        // This process is another.
        settings.files.program = Some(env!("CARGO_BIN_EXE_fynq").into());
        Builder { settings, practice: false, database_proxy: false }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Registers a student.
    pub(crate) async fn student(&self, name: &str) -> Client {
        Client::register(self.addr, name).await
    }

    /// Resolves when the server has this many open sockets.
    pub(crate) async fn sockets(&self, count: usize) {
        let mut open = self.server().app().sockets.subscribe();
        let wanted = open.wait_for(|open| *open == count);
        tokio::time::timeout(super::socket::PATIENCE, wanted)
            .await
            .expect("the sockets are not that many")
            .unwrap();
    }

    /// Resolves when the writer thinks so of PostgreSQL.
    pub(crate) async fn database_is_up(&self, wanted: bool) {
        let writer = self.server().app().store.writer().clone();
        let so = async {
            while writer.is_up() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(super::socket::PATIENCE, so).await.expect("the writer thinks otherwise");
    }

    /// The first number of what a statement gives, past everything that is tested.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database.client().await.query_typed_one(sql, &[]).await.expect(sql).get(0)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.database.client().await.batch_execute(sql).await.expect(sql);
    }

    /// Takes the database's lock away, so that what is left is the server's.
    pub(crate) async fn without_row_level_security(&self) {
        self.execute(
            "DO $$ DECLARE name text; BEGIN \
             FOR name IN SELECT oid::regclass::text FROM pg_class \
                 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \
             LOOP EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name); END LOOP; END $$",
        )
        .await;
    }

    /// Drains and stops.
    pub(crate) async fn stop(&mut self) {
        self.server.take().expect("the server runs").shutdown().await;
    }

    /// Starts it again after `stop`, on the same database.
    pub(crate) async fn start_again(&mut self) {
        let server = Server::start(self.settings.clone()).await.expect("the server starts again");
        self.addr = server.address();
        self.server = Some(server);
    }
}

impl Builder {
    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Builder {
        change(&mut self.settings);
        self
    }

    /// Lets the built-in practice model answer.
    pub(crate) fn practice(mut self) -> Builder {
        self.practice = true;
        self
    }

    pub(crate) fn database_proxy(mut self) -> Builder {
        self.database_proxy = true;
        self
    }

    /// A server of the test's own instead.
    pub(crate) fn database_url(self, url: &str) -> Builder {
        self.settings(|settings| settings.database.url = Some(url.to_owned().into()))
    }

    pub(crate) async fn start(mut self) -> TestApp {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let scratch = Scratch::new();
        let database = pg::Db::new().await;
        let model = Model::start().await;
        let own = self.settings.database.url.take().map(|url| url.expose_secret().to_owned());
        let url = own.unwrap_or_else(|| database.app_url());
        let (url, database_proxy) = match self.database_proxy {
            true => proxied(&url).await,
            false => (url, None),
        };
        self.settings.database.url = Some(url.into());
        self.settings.data_dir = scratch.0.clone();
        if !self.practice && self.settings.model.base_url.is_none() {
            self.settings.model.base_url = Some(model.url());
        }
        let server = Box::pin(Server::start(self.settings.clone())).await.expect("the server starts");
        let addr = server.address();
        TestApp {
            addr,
            model,
            database_proxy,
            server: Some(server),
            settings: self.settings,
            _scratch: scratch,
            database,
        }
    }
}

/// A student in front of an open session.
pub(crate) struct Scene {
    pub(crate) app: TestApp,
    pub(crate) ada: Client,
    pub(crate) session: String,
    pub(crate) socket: Socket,
}

impl Scene {
    pub(crate) async fn start() -> Scene {
        Scene::of(TestApp::builder()).await
    }

    pub(crate) async fn of(builder: Builder) -> Scene {
        let app = builder.start().await;
        let ada = app.student("ada").await;
        let session = ada.session().await;
        let socket = ada.socket(&session).await;
        Scene { app, ada, session, socket }
    }

    /// One more socket of the same student.
    pub(crate) async fn second(&self) -> Socket {
        self.ada.socket(&self.session).await
    }

    /// Asks, answers, and waits for the run's end. Gives the question's id.
    pub(crate) async fn turn(&mut self, question: &str, answer: &str) -> String {
        let id = self.socket.ask(question).await;
        self.app.model.call().await.answer(answer).await;
        self.socket.run_end().await;
        id
    }
}

/// The same database at a proxy's address.
async fn proxied(url: &str) -> (String, Option<Proxy>) {
    let config: tokio_postgres::Config = url.parse().expect("a database address");
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let target = match &config.get_hosts()[0] {
        tokio_postgres::config::Host::Tcp(host) => {
            Target::Tcp(format!("{host}:{port}").parse().expect("an IP address"))
        }
        tokio_postgres::config::Host::Unix(dir) => Target::Unix(dir.join(format!(".s.PGSQL.{port}"))),
    };
    let proxy = Proxy::start(target).await;
    let user = config.get_user().expect("a user");
    let password =
        config.get_password().map(|text| format!(":{}", String::from_utf8_lossy(text))).unwrap_or_default();
    let name = config.get_dbname().expect("a database");
    (format!("postgres://{user}{password}@{}/{name}?sslmode=disable", proxy.addr), Some(proxy))
}

/// A directory that goes with the test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("fynq-it-{}", super::socket::new_id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
