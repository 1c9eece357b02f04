//! Access tokens, ours and Supabase's: read by one function. Rights are not in here.
//!
//! ```text
//! token ─ header (alg, typ, kid and no more) ─ a key that we trust ─ signature ─ claims
//! ```
//!
//! A key says which algorithm it is for; a header that says otherwise is refused. Nothing of a token
//! is believed before its signature, save the name of the key to look for among ours.

mod claims;
mod jwks;
mod key;
mod local;

use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::clock::Timestamp;
use crate::config::Supabase;

pub(super) use claims::Claims;
pub(super) use jwks::Jwks;
pub(super) use local::{Tokens, kept_secret};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use claims::Rules;
use key::Key;
use secrecy::ExposeSecret as _;

/// A longer token is refused unread. Ours are about 500 bytes; Supabase's carry what a project puts
/// into their metadata.
const MAX_LOCAL: usize = 4096;
const MAX_SUPABASE: usize = 8192;
/// An HS256 key shorter than its hash can be guessed offline.
const MIN_SECRET: usize = 32;

/// Why a token opens nothing: for the log alone, the client learns only "401" or "503".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    Bad(&'static str),
    /// The keys to check it with could never be fetched: it may be good.
    NoKeys,
}

/// Reads the tokens of the one issuer that this server believes.
pub(super) struct Verifier {
    issuer: Issuer,
    rules: Rules,
    longest: usize,
}

enum Issuer {
    Local(Key),
    Supabase {
        keys: Arc<Jwks>,
        /// The project's old shared secret, where the operator gave it.
        legacy: Option<Key>,
    },
}

impl Verifier {
    pub(super) fn local(secret: &[u8]) -> anyhow::Result<Verifier> {
        Ok(Verifier { issuer: Issuer::Local(hmac(secret)?), rules: Rules::local(), longest: MAX_LOCAL })
    }

    pub(super) fn supabase(settings: &Supabase) -> anyhow::Result<Verifier> {
        let secret = settings.jwt_secret.as_ref().map(|secret| secret.expose_secret().as_bytes());
        let legacy = secret.map(hmac).transpose()?;
        let keys = Arc::new(Jwks::new(settings)?);
        let rules = Rules::supabase(&settings.url, &settings.audience);
        Ok(Verifier { issuer: Issuer::Supabase { keys, legacy }, rules, longest: MAX_SUPABASE })
    }

    /// What a token says, once all of it has been checked.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Unread> {
        if token.len() > self.longest {
            return Err(Unread::Bad("too long"));
        }
        let header = Header::read(token)?;
        match &self.issuer {
            Issuer::Local(key) => match header.kid {
                None => self.read(token, &header, key, now),
                Some(_) => Err(Unread::Bad("foreign header")),
            },
            Issuer::Supabase { keys, legacy } => {
                let named = header.kid.as_deref().and_then(|kid| keys.known(kid));
                if named.is_none() && header.alg == key::HS256 {
                    // No public list ever holds a shared secret: looking for it would be of no use.
                    let key = legacy.as_ref().ok_or(Unread::Bad("no key of that name"))?;
                    return self.read(token, &header, key, now);
                }
                let kid = header.kid.as_deref().ok_or(Unread::Bad("no key named"))?;
                let key = keys.key(kid).await?;
                self.read(token, &header, &key, now)
            }
        }
    }

    fn read(&self, token: &str, header: &Header, key: &Key, now: Timestamp) -> Result<Claims, Unread> {
        if header.alg != key.algorithm() {
            return Err(Unread::Bad("foreign algorithm"));
        }
        let claims: Claims = key.open(token)?;
        self.rules.check(&claims, now).map_err(Unread::Bad)?;
        Ok(claims)
    }
}

fn hmac(secret: &[u8]) -> anyhow::Result<Key> {
    anyhow::ensure!(
        secret.len() >= MIN_SECRET,
        "the token secret has {} bytes; it needs {MIN_SECRET}, for example from `openssl rand -hex 32`",
        secret.len()
    );
    Ok(Key::hmac(secret))
}

/// What the tokens of a project name as their issuer.
pub(super) fn issuer_of(url: &str) -> String {
    format!("{url}/auth/v1")
}

/// All that a header may hold. What names keys, encodings or conditions of its own (`jwk`, `jku`,
/// `x5c`, `crit`, `zip`, …) is refused by being unknown, a member twice too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
}

impl Header {
    fn read(token: &str) -> Result<Header, Unread> {
        let bad = |_| Unread::Bad("unreadable header");
        let (head, _) = token.split_once('.').ok_or(Unread::Bad("malformed"))?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(head).map_err(|_| Unread::Bad("unreadable header"))?;
        let header: Header = serde_json::from_slice(&bytes).map_err(bad)?;
        if header.typ.as_deref().is_some_and(|typ| typ != "JWT") {
            return Err(Unread::Bad("foreign header"));
        }
        Ok(header)
    }
}

/// A member that may be missing, but not be `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests;
