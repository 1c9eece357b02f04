//! A project's public keys: fetched, judged one by one, and kept while Supabase is away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::gotrue::{http_client, small_body};
use crate::config::{SigningKeys, Supabase};

use super::Unread;
use super::key::Key;

/// A list of keys is a few of them; what goes beyond this is not read.
const MAX_BODY: usize = 64 * 1024;
/// A whole fetch.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keys that are due are waited for this long; then the old ones serve once more.
const FRESHEN_WITHIN: Duration = Duration::from_secs(1);
/// With no keys at all nobody comes in: then they are asked for more often.
const FIRST_GAP: Duration = Duration::from_secs(5);
const COORDINATE: usize = 32;
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

pub(in crate::auth) struct Jwks {
    url: String,
    http: reqwest::Client,
    times: SigningKeys,
    kept: RwLock<Option<Kept>>,
    /// Whoever holds it fetches; the others find the answer when they get it.
    turn: tokio::sync::Mutex<()>,
    tried: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<HashMap<String, Arc<Key>>>,
    since: Instant,
}

impl Jwks {
    pub(in crate::auth) fn new(settings: &Supabase) -> anyhow::Result<Jwks> {
        Ok(Jwks {
            url: format!("{}/auth/v1/.well-known/jwks.json", settings.url),
            http: http_client(&settings.url, PATIENCE)?,
            times: settings.keys,
            kept: RwLock::new(None),
            turn: tokio::sync::Mutex::new(()),
            tried: Mutex::new(None),
        })
    }

    /// A key that was in the last good list, however old that is.
    pub(super) fn known(&self, kid: &str) -> Option<Arc<Key>> {
        self.kept().and_then(|kept| kept.keys.get(kid).cloned())
    }

    /// The key of this name. A list that is too old, or does not know the name, is fetched again, but
    /// not again and again: how often is not in the hands of those who make up names.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<Key>, Unread> {
        if let (Some(key), Some(kept)) = (self.known(kid), self.kept())
            && kept.since.elapsed() < self.times.life
        {
            return Ok(key);
        }
        if self.may_fetch() {
            let patience = if self.known(kid).is_some() { FRESHEN_WITHIN } else { PATIENCE * 2 };
            // A task of its own: a caller that hangs up, or has waited enough, ends no fetch.
            let fetching = tokio::spawn(Arc::clone(self).fetch_once());
            let _ = tokio::time::timeout(patience, fetching).await;
        }
        match self.kept() {
            None => Err(Unread::NoKeys),
            Some(kept) if kept.since.elapsed() > self.times.last_good => Err(Unread::NoKeys),
            Some(kept) => kept.keys.get(kid).cloned().ok_or(Unread::Bad("no key of that name")),
        }
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the last fetch lies long enough back, or is still under way.
    fn may_fetch(&self) -> bool {
        let gap = if self.kept().is_some() { self.times.gap } else { FIRST_GAP.min(self.times.gap) };
        let tried = *self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.is_none_or(|tried| tried.elapsed() >= gap) || self.turn.try_lock().is_err()
    }

    async fn fetch_once(self: Arc<Self>) {
        let turn = self.turn.lock().await;
        let gap = if self.kept().is_some() { self.times.gap } else { FIRST_GAP.min(self.times.gap) };
        {
            let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
            if tried.is_some_and(|tried| tried.elapsed() < gap) {
                return;
            }
            *tried = Some(Instant::now());
        }
        match self.fetch().await {
            Ok(keys) => self.take(keys),
            Err(why) => tracing::warn!(why, "Supabase's signing keys could not be fetched"),
        }
        drop(turn);
    }

    /// The keys as they are listed now.
    async fn fetch(&self) -> Result<HashMap<String, Arc<Key>>, &'static str> {
        let response = self.http.get(&self.url).send().await.map_err(|_| "no answer")?;
        if response.status() != http::StatusCode::OK {
            return Err("another status than 200");
        }
        let body = small_body(response, MAX_BODY).await?;
        read(&body)
    }

    fn take(&self, keys: HashMap<String, Arc<Key>>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        // A list that has lost all its keys is more likely a fault than a wish; those that were good
        // serve until `last_good` ends them.
        if keys.is_empty() && kept.as_ref().is_some_and(|kept| !kept.keys.is_empty()) {
            tracing::warn!("Supabase lists no signing key any more: the last ones stay");
            return;
        }
        *kept = Some(Kept { keys: Arc::new(keys), since: Instant::now() });
    }

    /// Each key's algorithm, for people.
    pub(in crate::auth) async fn algorithms(&self) -> Result<Vec<&'static str>, &'static str> {
        let mut names: Vec<_> = self.fetch().await?.values().map(|key| key.algorithm()).collect();
        names.sort_unstable();
        Ok(names)
    }
}

#[derive(Deserialize)]
struct List {
    keys: Vec<Value>,
}

/// One entry of the list, in RFC 7517's words. The rest of them (`x5u`, `x5c`, …) mean nothing here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// A private key, or a shared secret: whoever can read the list has it.
    d: Option<Value>,
    k: Option<Value>,
}

/// The keys of a list that can be used. A list in which one name stands for two keys is refused.
fn read(body: &[u8]) -> Result<HashMap<String, Arc<Key>>, &'static str> {
    let list: List = serde_json::from_slice(body).map_err(|_| "no list of keys")?;
    let mut keys = HashMap::new();
    for entry in list.keys {
        let Some((kid, key)) = serde_json::from_value::<Jwk>(entry).ok().and_then(usable) else {
            tracing::warn!("one of Supabase's signing keys is of no use here and is left out");
            continue;
        };
        if keys.insert(kid, Arc::new(key)).is_some() {
            return Err("one name for two keys");
        }
    }
    Ok(keys)
}

/// What a key is for follows from what it is; whatever else its entry says must not contradict.
fn usable(jwk: Jwk) -> Option<(String, Key)> {
    let kid = jwk.kid.filter(|kid| !kid.is_empty())?;
    let shared = jwk.d.is_some() || jwk.k.is_some();
    let other_use = jwk.purpose.is_some_and(|purpose| purpose != "sig");
    let other_work = jwk.key_ops.is_some_and(|ops| !ops.iter().any(|op| op == "verify"));
    if shared || other_use || other_work {
        return None;
    }
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => {
            let (x, y) = (jwk.x?, jwk.y?);
            let whole = |text: &str| decode(text).is_some_and(|bytes| bytes.len() == COORDINATE);
            (whole(&x) && whole(&y)).then(|| Key::p256(&x, &y)).flatten()?
        }
        ("RSA", None) => {
            let (n, e) = (decode(&jwk.n?)?, decode(&jwk.e?)?);
            (MODULUS_BITS.contains(&bits(&n)) && good_exponent(&e)).then(|| Key::rsa(&n, &e))?
        }
        _ => return None,
    };
    jwk.alg.is_none_or(|alg| alg == key.algorithm()).then_some((kid, key))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Of a number, largest byte first.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0).count();
    let first = number.iter().find(|byte| **byte != 0).map_or(8, |byte| byte.leading_zeros() as usize);
    (significant * 8).saturating_sub(first)
}

/// Odd, at least 65537, and not longer than any real one.
fn good_exponent(e: &[u8]) -> bool {
    (17..=33).contains(&bits(e)) && e.last().is_some_and(|last| last % 2 == 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn modulus(bits: usize) -> String {
        let mut n = vec![0xC5; bits / 8];
        n[0] = 0x80;
        BASE64_URL_SAFE_NO_PAD.encode(n)
    }

    fn ec() -> Value {
        let coordinate = BASE64_URL_SAFE_NO_PAD.encode([7; COORDINATE]);
        json!({"kty": "EC", "crv": "P-256", "kid": "a", "x": coordinate, "y": coordinate})
    }

    fn rsa(bits: usize) -> Value {
        json!({"kty": "RSA", "kid": "a", "n": modulus(bits), "e": "AQAB"})
    }

    fn with(mut key: Value, member: &str, value: Value) -> Value {
        key[member] = value;
        key
    }

    fn list(keys: &[Value]) -> Result<Vec<&'static str>, &'static str> {
        let keys = read(json!({"keys": keys}).to_string().as_bytes())?;
        Ok(keys.values().map(|key| key.algorithm()).collect())
    }

    #[test]
    fn a_key_decides_its_algorithm() {
        assert_eq!(list(&[ec()]).unwrap(), ["ES256"]);
        assert_eq!(list(&[rsa(2048)]).unwrap(), ["RS256"]);
        assert_eq!(list(&[rsa(8192)]).unwrap(), ["RS256"]);
        assert_eq!(list(&[with(ec(), "alg", "ES256".into())]).unwrap(), ["ES256"]);
        assert_eq!(list(&[with(rsa(2048), "key_ops", json!(["verify"]))]).unwrap(), ["RS256"]);
    }

    #[test]
    fn a_key_of_no_use_is_left_out_and_the_others_stay() {
        let mut unnamed = ec();
        unnamed.as_object_mut().unwrap().remove("kid");
        let bad = [
            json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}),
            json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "AAAA"}),
            json!({"kty": "EC", "kid": "a"}),
            json!({"kty": "?", "kid": "a"}),
            json!(7),
            unnamed,
            with(ec(), "kid", "".into()),
            with(ec(), "crv", "P-384".into()),
            with(ec(), "x", "AAAA".into()),
            with(ec(), "x", "not base64!".into()),
            with(ec(), "use", "enc".into()),
            with(ec(), "alg", "ES384".into()),
            with(ec(), "alg", "HS256".into()),
            with(ec(), "alg", "RS256".into()),
            with(ec(), "key_ops", json!(["sign"])),
            with(ec(), "d", "AAAA".into()),
            with(ec(), "k", "AAAA".into()),
            rsa(1024),
            rsa(2040),
            rsa(8200),
            with(rsa(2048), "alg", "PS256".into()),
            with(rsa(2048), "alg", "RS512".into()),
            with(rsa(2048), "e", "Aw".into()),
            with(rsa(2048), "e", "AQAA".into()),
            with(rsa(2048), "e", "AQAAAAAAAQAB".into()),
        ];
        for entry in bad {
            assert!(list(std::slice::from_ref(&entry)).unwrap().is_empty(), "{entry}");
            assert_eq!(list(&[entry, with(ec(), "kid", "b".into())]).unwrap(), ["ES256"]);
        }
        // Zeroes in front make no number longer.
        let padded = BASE64_URL_SAFE_NO_PAD.encode([&[0; 128][..], &[0xC5; 128]].concat());
        assert!(list(&[with(rsa(2048), "n", padded.into())]).unwrap().is_empty());
    }

    #[test]
    fn one_name_for_two_keys_spoils_the_list() {
        assert!(list(&[ec(), rsa(2048)]).is_err());
        assert!(read(b"<html>").is_err() && read(b"{}").is_err() && read(b"[]").is_err());
        assert!(read(br#"{"keys":[]}"#).unwrap().is_empty());
    }
}
