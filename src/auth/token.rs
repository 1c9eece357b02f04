//! Access tokens: JWTs of one fixed kind. Pure: time is an argument, rights are not in here.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Role;

const ISSUER: &str = "fynq";
/// Supabase's words, so that the same checks read both kinds of token.
const AUDIENCE: &str = "authenticated";
const DATABASE_ROLE: &str = "authenticated";
/// Clocks of two machines may differ by this much; a life's end is meant as it is said.
const LEEWAY_S: i64 = 30;
/// A longer token is refused unread. Ours are about 500 bytes.
const MAX_TOKEN: usize = 4096;
/// An HS256 key shorter than its hash can be guessed offline.
const MIN_SECRET: usize = 32;

/// What a token says. Its role is a hint for clients: the server reads rights from the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub aud: String,
    pub sub: Uuid,
    pub email: String,
    pub role: String,
    /// The sign-in: what logout ends.
    pub session_id: Uuid,
    pub iat: i64,
    pub exp: i64,
    pub app_metadata: AppMetadata,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppMetadata {
    pub role: Role,
}

/// Why a token means nothing: for the log alone, the client learns only "401".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadToken(pub &'static str);

/// Makes and reads tokens with one key.
pub(super) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    ttl: Duration,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(secret: &[u8], ttl: Duration) -> anyhow::Result<Tokens> {
        anyhow::ensure!(
            secret.len() >= MIN_SECRET,
            "the token secret has {} bytes; it needs {MIN_SECRET}, for example from `openssl rand -hex 32`",
            secret.len()
        );
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // `verify` compares times itself, because its clock is an argument.
        validation.validate_exp = false;
        Ok(Tokens {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            ttl,
        })
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn issue(
        &self,
        user: Uuid,
        email: &str,
        role: Role,
        family: Uuid,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        let iat = now.as_second();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user,
            email: email.into(),
            role: DATABASE_ROLE.into(),
            session_id: family,
            iat,
            exp: iat.saturating_add(i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX)),
            app_metadata: AppMetadata { role },
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .context("signing a token")
    }

    /// Reads a token of ours. The algorithm is ours, never the header's; a header that names a key
    /// or asks for anything else is refused before its signature is looked at.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, BadToken> {
        if token.len() > MAX_TOKEN {
            return Err(BadToken("too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken("unreadable header"))?;
        if !is_plain(&header) {
            return Err(BadToken("foreign header"));
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|error| BadToken(reason(error.kind())))?
            .claims;
        let now = now.as_second();
        if claims.role != DATABASE_ROLE {
            return Err(BadToken("foreign role"));
        }
        if claims.exp <= now {
            return Err(BadToken("expired"));
        }
        if claims.iat > now.saturating_add(LEEWAY_S) {
            return Err(BadToken("issued in the future"));
        }
        if Timestamp::from_second(claims.exp).is_err() {
            return Err(BadToken("expires beyond time"));
        }
        Ok(claims)
    }
}

impl Claims {
    pub(super) fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.exp).unwrap_or(Timestamp::MIN)
    }
}

/// `{"typ":"JWT","alg":"HS256"}` and nothing more.
fn is_plain(header: &Header) -> bool {
    let mut plain = Header::new(Algorithm::HS256);
    plain.typ.clone_from(&header.typ);
    *header == plain && header.typ.as_deref().is_none_or(|typ| typ == "JWT")
}

fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "bad signature",
        ErrorKind::InvalidIssuer => "foreign issuer",
        ErrorKind::InvalidAudience => "foreign audience",
        ErrorKind::MissingRequiredClaim(_) => "missing claim",
        ErrorKind::InvalidAlgorithm => "foreign algorithm",
        _ => "malformed",
    }
}

/// The secret kept under the data directory; made there at the first start.
pub(super) fn kept_secret(data_dir: &Path) -> anyhow::Result<SecretSlice<u8>> {
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
    let secret = SecretSlice::from(super::secret::random_bytes().to_vec());
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

#[cfg(test)]
mod tests;
