//! How the database is spoken to: what an address asks for (libpq's words), whether that is good enough, and the
//! TLS that comes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use percent_encoding::percent_decode_str;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::renewed::Named;

/// Whose word on the server's certificate counts.
#[derive(Debug, Default, PartialEq, Eq)]
enum Root {
    #[default]
    Unsaid,
    /// This machine's authorities.
    System,
    File(PathBuf),
}

/// What an address says of TLS.
#[derive(Default)]
pub(super) struct Asked {
    mode: Option<String>,
    root: Root,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Asked {
    /// Takes libpq's words out of an address that the driver does not know, and hints meant for other clients.
    pub(super) fn of(url: &str) -> (String, Asked) {
        const FOREIGN: [&str; 5] = ["pgbouncer", "connection_limit", "pool_timeout", "schema", "supa"];
        let mut asked = Asked::default();
        let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), asked) };
        let mut kept = Vec::new();
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => asked.mode = Some(value()),
                "sslrootcert" => {
                    let said = value();
                    asked.root = if said == "system" { Root::System } else { Root::File(said.into()) };
                }
                "sslcert" => asked.cert = Some(value().into()),
                "sslkey" => asked.key = Some(value().into()),
                name if FOREIGN.contains(&name) => {}
                _ => kept.push(part),
            }
        }
        let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        (url, asked)
    }

    /// With this authority, where the address names none.
    pub(super) fn or_root(mut self, root: Option<&Path>) -> Asked {
        if let (Root::Unsaid, Some(root)) = (&self.root, root) {
            self.root = Root::File(root.to_owned());
        }
        self
    }

    /// The files that are read for it.
    pub(super) fn files(self) -> Vec<Named> {
        let root = if let Root::File(path) = self.root { Some(path) } else { None };
        let named = [("the database's authority", root), ("sslcert", self.cert), ("sslkey", self.key)];
        named.into_iter().filter_map(|(name, path)| Some((name, path?))).collect()
    }

    /// What is done: on this machine what libpq does, to another one nothing that may end in plain text unless
    /// somebody wrote that it shall.
    pub(super) fn mode(&self, config: &Config) -> anyhow::Result<SslMode> {
        let said = match config.get_ssl_mode() {
            SslMode::Disable => Some("disable"),
            SslMode::Require => Some("require"),
            // Also when nothing was said.
            _ => None,
        };
        let mode = match (self.mode.as_deref().or(said), is_local(config)) {
            (None, false) | (Some("require" | "verify-ca" | "verify-full"), _) => SslMode::Require,
            (None | Some("prefer" | "allow"), true) => SslMode::Prefer,
            (Some("disable"), _) => SslMode::Disable,
            (Some(mode @ ("prefer" | "allow")), false) => bail!(
                "sslmode={mode} may end in plain text, and the server is on another machine: write \
                 sslmode=require (TLS, the certificate is checked) or sslmode=disable (none)"
            ),
            (Some(mode), _) => bail!("sslmode={mode:?} is none; require, prefer and disable are"),
        };
        Ok(if is_by_file(config) { SslMode::Disable } else { mode })
    }

    /// The TLS of this mode. A given authority is meant: then it is asked, whatever the mode.
    pub(super) fn connector(&self, mode: SslMode) -> anyhow::Result<ClientConfig> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match &self.root {
            _ if mode == SslMode::Disable => builder.with_root_certificates(RootCertStore::empty()),
            Root::File(root) => builder.with_root_certificates(authorities(root)?),
            root if mode == SslMode::Require || *root == Root::System => builder
                .with_platform_verifier()
                .context("the system's certificate authorities (Debian: apt-get install ca-certificates)")?,
            // What `prefer` means everywhere: encrypted if the server can, whoever it is. Whoever could forge
            // the certificate could as well say that there is no TLS.
            _ => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider()))),
        };
        self.shown_to_the_server(builder)
    }

    /// The certificate that a login is known by, if the address names one.
    fn shown_to_the_server(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> anyhow::Result<ClientConfig> {
        let (cert, key) = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return Ok(builder.with_no_client_auth()),
            _ => bail!("sslcert and sslkey belong together"),
        };
        let chain = certificates(cert, "sslcert")?;
        let shown = key.display();
        let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("sslkey {shown}"))?;
        builder.with_client_auth_cert(chain, key).context("sslcert and sslkey")
    }
}

/// Whether it leads to this machine, which no network is in between.
pub(super) fn is_local(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(|address| address.to_canonical().is_loopback());
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// Whether it leads to a socket in the file system: those know no TLS, and libpq does not ask there whatever the mode.
fn is_by_file(config: &Config) -> bool {
    #[cfg(unix)]
    let by_file = |host: &Host| matches!(host, Host::Unix(_));
    #[cfg(not(unix))]
    let by_file = |_: &Host| false;
    let hosts = config.get_hosts();
    config.get_hostaddrs().is_empty() && !hosts.is_empty() && hosts.iter().all(by_file)
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, "the database's certificate authority")? {
        roots.add(certificate).with_context(|| format!("{}", file.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path, what: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("{what} in {}", file.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).with_context(read)?.collect();
    let found = found.with_context(read)?;
    ensure!(!found.is_empty(), "{} holds no certificate", file.display());
    Ok(found)
}

/// Built with its own provider, so that it does not matter whether one was installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
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
    fn libpqs_words_are_taken_out() {
        let plain = "postgres://u:p@h:6543/d";
        assert_eq!(Asked::of(plain).0, plain);
        assert_eq!(Asked::of("postgres://h/d?pgbouncer=true&sslmode=disable").0, "postgres://h/d");
        let (url, asked) = Asked::of(
            "postgres://h/d?sslmode=verify-full&application_name=x&sslrootcert=%2Fa%20b.pem&sslcert=/c&sslkey=/k",
        );
        assert_eq!(url, "postgres://h/d?application_name=x");
        assert_eq!(asked.root, Root::File("/a b.pem".into()));
        assert_eq!((asked.cert, asked.key), (Some("/c".into()), Some("/k".into())));
        let system = Asked::of("postgres://h/d?sslrootcert=system").1;
        assert_eq!(system.or_root(Some(Path::new("/ca.pem"))).root, Root::System);
        let unsaid = Asked::of(plain).1;
        assert_eq!(unsaid.or_root(Some(Path::new("/ca.pem"))).root, Root::File("/ca.pem".into()));
    }

    /// Of an address with this ending.
    fn mode(url: &str) -> Result<SslMode, String> {
        let (url, asked) = Asked::of(url);
        asked.mode(&url.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn another_machine_is_spoken_to_by_tls_or_by_the_operators_word() {
        for far in [
            "postgres://u@db.example/d?",
            "postgres://u@localhost/d?hostaddr=10.0.0.7&",
            "postgres://u@localhost,db.example/d?",
            "postgres://u@10.0.0.7/d?",
            "postgres://u@0.0.0.0/d?",
        ] {
            for certain in ["", "sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"] {
                assert_eq!(mode(&format!("{far}{certain}")), Ok(SslMode::Require), "{far}{certain}");
            }
            assert_eq!(mode(&format!("{far}sslmode=disable")), Ok(SslMode::Disable));
            for word in ["prefer", "allow"] {
                let line = mode(&format!("{far}sslmode={word}")).unwrap_err();
                assert!(line.contains("sslmode=require") && line.contains("sslmode=disable"), "{line}");
            }
        }
        for near in [
            "postgres://u@127.0.0.1/d?",
            "postgres://u@[::1]/d?",
            "postgres://u@localhost/d?",
            "postgres://u@db.example/d?hostaddr=127.0.0.1&",
        ] {
            for maybe in ["", "sslmode=prefer", "sslmode=allow"] {
                assert_eq!(mode(&format!("{near}{maybe}")), Ok(SslMode::Prefer), "{near}{maybe}");
            }
            assert_eq!(mode(&format!("{near}sslmode=require")), Ok(SslMode::Require));
        }
        for word in ["", "sslmode=require", "sslmode=verify-full", "sslmode=prefer"] {
            assert_eq!(
                mode(&format!("postgres:///d?host=/tmp&user=u&{word}")),
                Ok(SslMode::Disable),
                "{word}"
            );
        }
        assert!(mode("postgres://u@h/d?sslmode=perhaps").is_err());
    }

    #[test]
    fn what_the_address_names_has_to_be_there() {
        for (query, told) in [
            ("sslrootcert=/nonexistent.pem", "/nonexistent.pem"),
            ("sslrootcert=/dev/null", "holds no certificate"),
            ("sslcert=/a.pem", "belong together"),
            ("sslkey=/a.pem", "belong together"),
            ("sslcert=/nonexistent.pem&sslkey=/b", "sslcert in /nonexistent.pem"),
        ] {
            let (_, asked) = Asked::of(&format!("postgres://h/d?{query}"));
            let line = format!("{:#}", asked.connector(SslMode::Require).unwrap_err());
            assert!(line.contains(told), "{line}");
        }
    }
}
