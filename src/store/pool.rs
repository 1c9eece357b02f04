//! Connections: how they are made (address, TLS, timeouts), and the pool that the doors share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// How long anything waits for a connection: an outage is to be answered quickly.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the database is and how to speak to it; cheap to clone.
#[derive(Clone)]
pub struct Address {
    config: Arc<Config>,
    tls: MakeRustlsConnect,
}

impl Address {
    /// Reads a `postgresql://` URL (or libpq's `key=value` form).
    pub fn parse(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Address> {
        let config: Config = known_to_the_driver(url)
            .parse()
            .map_err(|error| anyhow::anyhow!("DATABASE_URL is not a PostgreSQL address: {error}"))?;
        Address::new(config, ca_file)
    }

    pub fn new(mut config: Config, ca_file: Option<&Path>) -> anyhow::Result<Address> {
        config.application_name("fynq");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(Duration::from_secs(10));
        let mode = config.get_ssl_mode();
        if mode == SslMode::Prefer && ca_file.is_none() && !is_local(&config) {
            tracing::warn!(
                "the database is on another machine and its address does not say sslmode=require: \
                 its certificate is not checked"
            );
        }
        // A given authority is meant: then it is checked, whatever the mode.
        let tls =
            if mode == SslMode::Require || ca_file.is_some() { checking(ca_file)? } else { unchecked()? };
        Ok(Address { config: Arc::new(config), tls: MakeRustlsConnect::new(tls) })
    }

    /// A connection of its own, outside the pool, and the task that carries it; that task ends
    /// when the connection does.
    pub async fn connect(&self) -> Result<(Client, tokio::task::JoinHandle<()>), tokio_postgres::Error> {
        open(&self.config, &self.tls).await
    }

    /// As `connect`, to a server that takes writes: after a failover the old address may lead to
    /// one that only reads.
    pub(super) async fn connect_for_writing(
        &self,
    ) -> Result<(Client, tokio::task::JoinHandle<()>), tokio_postgres::Error> {
        let mut config = (*self.config).clone();
        config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        open(&config, &self.tls).await
    }

    /// No statement cache is used: a transaction-mode pooler may stand in between.
    pub(super) fn pool(&self, size: usize) -> anyhow::Result<Pool> {
        let manager = Manager::from_config(
            (*self.config).clone(),
            self.tls.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        Pool::builder(manager)
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
        let mut config = (*self.config).clone();
        config.user(name);
        Address { config: Arc::new(config), tls: self.tls.clone() }
    }

    /// The address without its password, for people.
    pub fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".into(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

async fn open(
    config: &Config,
    tls: &MakeRustlsConnect,
) -> Result<(Client, tokio::task::JoinHandle<()>), tokio_postgres::Error> {
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

/// libpq knows words in an address that the driver does not. `verify-ca` and `verify-full` become
/// `require`, which checks the certificate and the name here; hints meant for other clients go.
fn known_to_the_driver(url: &str) -> String {
    let url = url.replace("sslmode=verify-full", "sslmode=require");
    let url = url.replace("sslmode=verify-ca", "sslmode=require").replace("sslmode=allow", "sslmode=prefer");
    let Some((base, query)) = url.split_once('?') else { return url };
    let foreign = ["pgbouncer=", "connection_limit=", "pool_timeout=", "schema=", "supa="];
    let kept: Vec<&str> =
        query.split('&').filter(|part| !foreign.iter().any(|name| part.starts_with(name))).collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// Built with its own provider, so that it does not matter whether one was installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The server's certificate must be good: by the given authority, else by the system's.
fn checking(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let Some(path) = ca_file else {
        return Ok(builder
            .with_platform_verifier()
            .context("the system's certificate authorities (Debian: apt-get install ca-certificates)")?
            .with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    let read = || format!("the database's certificate authority in {}", path.display());
    for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
        roots.add(certificate.with_context(read)?).with_context(read)?;
    }
    if roots.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What `sslmode=prefer` means everywhere: encrypted if the server can, whoever it is. Whoever
/// could forge the certificate could as well say that there is no TLS.
fn unchecked() -> anyhow::Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unchecked(provider())))
        .with_no_client_auth())
}

#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpqs_words_become_the_drivers() {
        let plain = "postgres://u:p@h:6543/d";
        assert_eq!(known_to_the_driver(plain), plain);
        assert_eq!(known_to_the_driver("postgres://h/d?pgbouncer=true"), "postgres://h/d");
        assert_eq!(
            known_to_the_driver("postgres://h/d?sslmode=verify-full&pgbouncer=true"),
            "postgres://h/d?sslmode=require"
        );
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("postgres://me:hunter2@db.example:6543/tutor", None).unwrap();
        assert_eq!(address.shown(), "db.example:6543/tutor");
        let wrong = Address::parse("postgres://me:hunter2@db.example:what/tutor", None).err().unwrap();
        assert!(!format!("{wrong:#}").contains("hunter2"), "{wrong:#}");
    }

    #[test]
    fn only_this_machine_is_local() {
        let local = |url: &str| is_local(&url.parse::<Config>().unwrap());
        assert!(local("postgres://u@127.0.0.1/d"));
        assert!(local("host=/tmp user=u"));
        assert!(!local("postgres://u@db.example/d"));
    }
}
