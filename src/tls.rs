//! The server's own TLS: its certificate and key, read anew when somebody renews them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::ServerConfig;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::clock::Timestamp;
use crate::config::Tls;
use crate::renewed::{self, Renewed};

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_secs(1);

/// Who the server is by TLS.
pub struct Identity(Renewed<Arc<ServerConfig>>);

impl Identity {
    /// What is wrong is told with the setting's name.
    pub fn read(tls: &Tls) -> anyhow::Result<Identity> {
        let files = vec![("FYNQ_TLS_CERT", tls.cert.clone()), ("FYNQ_TLS_KEY", tls.key.clone())];
        Renewed::of(files, PAUSE, |found| {
            let [cert, key] = found else { anyhow::bail!("a certificate and a key") };
            server(cert, key).map(Arc::new)
        })
        .map(Identity)
    }

    /// For a connection that begins now.
    pub async fn now(&self) -> Arc<ServerConfig> {
        self.0.now().await
    }
}

fn server(cert: &[u8], key: &[u8]) -> anyhow::Result<ServerConfig> {
    let chain = chain(cert)?;
    let key = PrivateKeyDer::from_pem_slice(key).context("FYNQ_TLS_KEY: holds no key (PEM)")?;
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("FYNQ_TLS_KEY: is not the key of the certificate in FYNQ_TLS_CERT")?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn chain(cert: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let chain = chain.context("FYNQ_TLS_CERT: holds what is no certificate (PEM)")?;
    ensure!(!chain.is_empty(), "FYNQ_TLS_CERT: holds no certificate (PEM)");
    Ok(chain)
}

/// What a browser would find in the certificate.
pub struct Look {
    pub ends: Timestamp,
    /// Why this machine's authorities do not stand for that name, if they do not.
    pub distrusted: Option<String>,
}

/// Looks at the certificate as whoever calls the server by `name`.
pub fn look(tls: &Tls, name: Option<&str>) -> anyhow::Result<Look> {
    let chain = chain(&renewed::read(&tls.cert).map_err(anyhow::Error::msg)?)?;
    let (own, others) = chain.split_first().context("FYNQ_TLS_CERT: holds no certificate (PEM)")?;
    let read = Certificate::from_der(own).map_err(|error| anyhow::anyhow!("FYNQ_TLS_CERT: {error}"))?;
    let ends = read.tbs_certificate.validity.not_after.to_unix_duration();
    let ends = Timestamp::from_second(i64::try_from(ends.as_secs())?)?;
    let distrusted =
        name.and_then(|name| believed(own, others, name).err()).map(|error| format!("{error:#}"));
    Ok(Look { ends, distrusted })
}

fn believed(own: &CertificateDer<'_>, others: &[CertificateDer<'_>], name: &str) -> anyhow::Result<()> {
    let name = ServerName::try_from(name)?;
    let verifier = rustls_platform_verifier::Verifier::new(Arc::new(default_provider()))?;
    verifier.verify_server_cert(own, others, &name, &[], UnixTime::now())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn made() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["fynq.example".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn two_versions_and_suites_with_forward_secrecy_alone() {
        use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
        let (cert, key) = made();
        let server = server(cert.as_bytes(), key.as_bytes()).unwrap();
        for suite in &server.crypto_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            let fit = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
            assert!(fit && (name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305")), "{name}");
            assert!(ALL_CIPHER_SUITES.contains(suite));
        }
        assert_eq!(server.alpn_protocols, [b"http/1.1"]);
        // rustls shows which versions these are to a debugger alone.
        let told = format!("{server:?}");
        assert!(told.contains(" versions: [TLSv1_2, TLSv1_3],"), "{told}");
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_settings_name() {
        let ((cert, key), (other, _)) = (made(), made());
        for (cert, key, told) in [
            (&other, &key, "FYNQ_TLS_KEY: is not the key"),
            (&key, &key, "FYNQ_TLS_CERT: holds no certificate"),
            (&cert, &cert, "FYNQ_TLS_KEY: holds no key"),
        ] {
            let line = format!("{:#}", server(cert.as_bytes(), key.as_bytes()).unwrap_err());
            assert!(line.starts_with(told), "{line}");
        }
    }
}
