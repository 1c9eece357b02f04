//! Connections: how they are made (address, timeouts), and the pool that the doors share.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Metrics, Object, Pool, RecyclingMethod, Runtime,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config;
use crate::renewed::Renewed;

use super::StoreError;
use super::tls::{Asked, is_local};

/// How long anything waits for a connection: an outage is to be answered quickly.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the database is and how to speak to it; cheap to clone. One that came from a file is as the file says
/// when a connection is made.
#[derive(Clone)]
pub struct Address(Arc<Renewed<Link>>);

#[derive(Clone)]
struct Link {
    config: Arc<Config>,
    tls: MakeRustlsConnect,
}

type Connected = (Client, JoinHandle<()>);
pub(super) type Carried = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl Address {
    /// What the settings name; `None`: the private one.
    pub fn given(settings: &config::Database) -> anyhow::Result<Option<Address>> {
        let Some(url) = &settings.url else { return Ok(None) };
        let ca_file = settings.ca_file.clone();
        let Some(file) = &settings.url_file else {
            return Address::parse(url.expose_secret(), ca_file.as_deref()).map(Some);
        };
        let file = ("DATABASE_URL_FILE", file.clone());
        let also = ca_file.clone();
        let names = move |url: &str| {
            let files = Asked::of(url).1.or_root(also.as_deref()).files();
            files.into_iter().map(|(_, path)| path).collect()
        };
        let renewed = Renewed::of_secret_naming(file, names, move |url| {
            // The driver would take what is none for another kind of address, and quote from it.
            config::is_database_url(url).map_err(anyhow::Error::msg)?;
            Link::parse(url, ca_file.as_deref())
        })?;
        Ok(Some(Address(Arc::new(renewed))))
    }

    /// Reads a `postgresql://` URL (or libpq's `key=value` form), and again when a file that it names is another.
    pub fn parse(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Address> {
        let link = Link::parse(url, ca_file)?;
        let files = Asked::of(url).1.or_root(ca_file).files();
        if files.is_empty() || link.config.get_ssl_mode() == SslMode::Disable {
            return Ok(Address::fixed(link));
        }
        let (url, ca_file) = (SecretString::from(url), ca_file.map(Path::to_owned));
        let again = move |_: &[Vec<u8>]| Link::parse(url.expose_secret(), ca_file.as_deref());
        Ok(Address(Arc::new(Renewed::of(files, Duration::ZERO, again)?)))
    }

    pub fn new(config: Config, ca_file: Option<&Path>) -> anyhow::Result<Address> {
        Link::new(config, &Asked::default().or_root(ca_file)).map(Address::fixed)
    }

    fn fixed(link: Link) -> Address {
        Address(Arc::new(Renewed::fixed(link)))
    }

    /// A connection of its own, outside the pool, and the task that carries it; that task ends
    /// when the connection does.
    pub async fn connect(&self) -> Result<Connected, Error> {
        self.connect_to(|_| {}).await
    }

    /// As `connect`, to a server that takes writes: after a failover the old address may lead to
    /// one that only reads.
    pub(super) async fn connect_for_writing(&self) -> Result<Connected, Error> {
        use tokio_postgres::config::TargetSessionAttrs::ReadWrite;
        self.connect_to(|config| _ = config.target_session_attrs(ReadWrite)).await
    }

    /// A connection that somebody else carries.
    pub(super) async fn open(&self) -> Result<(Client, Carried), Error> {
        let link = self.0.now().await;
        link.config.connect(link.tls.clone()).await
    }

    /// To where it leads when the connection is there: then it is as old as the connection, at least.
    async fn connect_to(&self, ask: impl Fn(&mut Config)) -> Result<Connected, Error> {
        loop {
            let link = self.0.now().await;
            let mut config = (*link.config).clone();
            ask(&mut config);
            let connected = open(&config, &link.tls).await?;
            if Arc::ptr_eq(&link.config, &self.0.last().config) {
                return Ok(connected);
            }
        }
    }

    /// Since when it leads where it does: what was connected before is not as the files say.
    pub(super) async fn since(&self) -> Instant {
        self.0.since().await
    }

    /// No statement cache is used: a transaction-mode pooler may stand in between.
    pub(super) fn pool(&self, size: usize) -> anyhow::Result<Pool> {
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(Config::new(), self.clone(), fast);
        let address = self.clone();
        let retire = Hook::async_fn(move |_, metrics: &Metrics| {
            let (address, created) = (address.clone(), metrics.created);
            async move {
                let old = created < address.since().await;
                if old { Err(HookError::message("the address is another one now")) } else { Ok(()) }
            }
            .boxed()
        });
        Pool::builder(manager)
            .pre_recycle(retire)
            .max_size(size.max(1))
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .context("the connection pool")
    }

    /// The same server and database as another login without a password: only the private server lets
    /// one in like that.
    pub(super) fn as_login(&self, name: &str) -> Address {
        let link = self.0.last();
        let mut config = (*link.config).clone();
        config.user(name);
        Address::fixed(Link { config: Arc::new(config), ..link })
    }

    /// What an operator should know of it.
    pub fn doubt(&self) -> Option<&'static str> {
        let config = self.0.last().config;
        (config.get_ssl_mode() == SslMode::Disable && !is_local(&config)).then_some(
            "DATABASE_URL: sslmode=disable sends all that is kept over the network as it is, the password too",
        )
    }

    /// The address without its password, for people.
    pub fn shown(&self) -> String {
        let config = self.0.last().config;
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".into(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", config.get_dbname().unwrap_or_default())
    }
}

impl Link {
    fn parse(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Link> {
        let (url, asked) = Asked::of(url);
        let config = url
            .parse()
            .map_err(|error| anyhow::anyhow!("DATABASE_URL is not a PostgreSQL address: {error}"))?;
        Link::new(config, &asked.or_root(ca_file))
    }

    fn new(mut config: Config, asked: &Asked) -> anyhow::Result<Link> {
        config.application_name("fynq");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(Duration::from_secs(10));
        let mode = asked.mode(&config)?;
        config.ssl_mode(mode);
        let tls = MakeRustlsConnect::new(asked.connector(mode)?);
        Ok(Link { config: Arc::new(config), tls })
    }
}

/// The pool's connections; it has no address of its own.
impl Connect for Address {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<Connected, Error>> {
        Address::connect(self).boxed()
    }
}

async fn open(config: &Config, tls: &MakeRustlsConnect) -> Result<Connected, Error> {
    let (client, connection) = config.connect(tls.clone()).await?;
    let carrier = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection ended");
        }
    });
    Ok((client, carrier))
}

pub(super) async fn take(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|error| match error {
        deadpool_postgres::PoolError::Backend(error) => {
            tracing::debug!(%error, "no database connection");
            // Whatever keeps us from connecting (a wrong password too) is an outage to the caller.
            StoreError::Unavailable
        }
        _ => StoreError::Unavailable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("postgres://me:hunter2@db.example:6543/tutor", None).unwrap();
        assert_eq!(address.shown(), "db.example:6543/tutor");
        let wrong = Address::parse("postgres://me:hunter2@db.example:what/tutor", None).err().unwrap();
        assert!(!format!("{wrong:#}").contains("hunter2"), "{wrong:#}");
    }

    #[tokio::test]
    async fn what_a_file_brings_is_looked_at_like_what_the_start_has() {
        let file = std::env::temp_dir().join(format!("fynq-address-{}", crate::id::new()));
        let good = "postgres://me@127.0.0.1/first";
        std::fs::write(&file, good).unwrap();
        let mut settings = config::Settings::default().database;
        (settings.url, settings.url_file) = (Some(good.into()), Some(file.clone()));
        let address = Address::given(&settings).unwrap().unwrap();
        for bad in
            ["postgres://", "postgresql://", "postgres://me@127.0.0.1/a b", "host=127.0.0.1", "mysql://h/d"]
        {
            std::fs::write(&file, bad).unwrap();
            address.0.now().await;
            assert_eq!(address.shown(), "127.0.0.1:5432/first", "{bad}");
        }
        std::fs::write(&file, "postgresql://me@127.0.0.1/second\n").unwrap();
        address.0.now().await;
        assert_eq!(address.shown(), "127.0.0.1:5432/second");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn plain_text_to_another_machine_is_a_doubt() {
        let doubt = |url| Address::parse(url, None).unwrap().doubt();
        assert!(doubt("postgres://u@db.example/d?sslmode=disable").is_some());
        assert!(doubt("postgres://u@127.0.0.1/d?sslmode=disable").is_none());
        assert!(doubt("postgres://u@db.example/d").is_none());
    }
}
