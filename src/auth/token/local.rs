//! The tokens of local accounts: made here, with a key of ours.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretSlice};

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Role;

use super::MIN_SECRET;
use super::claims::{AUTHENTICATED, AppMetadata, Audience, Claims, LOCAL_ISSUER};

/// Makes tokens with one key.
pub(in crate::auth) struct Tokens {
    encoding: EncodingKey,
    ttl: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(in crate::auth) fn new(secret: &[u8], ttl: Duration) -> Tokens {
        Tokens { encoding: EncodingKey::from_secret(secret), ttl }
    }

    pub(in crate::auth) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(in crate::auth) fn issue(
        &self,
        user: Uuid,
        email: &str,
        role: Role,
        family: Uuid,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        let iat = now.as_second();
        let claims = Claims {
            iss: LOCAL_ISSUER.into(),
            aud: Audience::One(AUTHENTICATED.into()),
            sub: user,
            email: email.into(),
            role: AUTHENTICATED.into(),
            session_id: family,
            iat,
            exp: iat.saturating_add(i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX)),
            nbf: None,
            is_anonymous: None,
            client_id: None,
            app_metadata: AppMetadata { role: Some(role.as_str().into()) },
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .context("signing a token")
    }
}

/// The secret kept under the data directory; made there at the first start.
pub(in crate::auth) fn kept_secret(data_dir: &Path) -> anyhow::Result<SecretSlice<u8>> {
    let path = data_dir.join("token-secret");
    match std::fs::read(&path) {
        Ok(secret) if secret.len() >= MIN_SECRET => return Ok(secret.into()),
        Ok(_) => anyhow::bail!(
            "{} is cut short; delete it to have a new one made (everybody has to sign in again)",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    }
    std::fs::create_dir_all(data_dir).with_context(|| format!("creating {}", data_dir.display()))?;
    let secret = SecretSlice::from(crate::auth::secret::random_bytes().to_vec());
    // Written aside and linked into place: a crash leaves no half a secret, and of two processes
    // that start together one wins and both read the same.
    let aside = data_dir.join(format!("token-secret.{}", crate::id::new()));
    let written = write_private(&aside, secret.expose_secret());
    let linked = written.and_then(|()| match std::fs::hard_link(&aside, &path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = std::fs::remove_file(&aside);
    linked.with_context(|| format!("writing {}", path.display()))?;
    let kept = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(kept.into())
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
