use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use futures_util::FutureExt as _;
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::identity::Role;

use super::*;

const SECRET: &[u8] = b"an example secret of 32 bytes...";

fn tokens() -> Tokens {
    Tokens::new(SECRET, Duration::from_secs(3600))
}

/// With a key of our own nothing has to be waited for.
fn verify(token: &str, now: Timestamp) -> Result<Claims, Unread> {
    Verifier::local(SECRET).unwrap().verify(token, now).now_or_never().expect("it waits for something")
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn claims() -> Value {
    let now = now().as_second();
    json!({
        "iss": "fynq", "aud": "authenticated", "sub": crate::id::new(), "email": "a@example.org",
        "role": "authenticated", "session_id": crate::id::new(), "iat": now, "exp": now + 60,
        "app_metadata": {"role": "student"},
    })
}

/// Signed with our key, whatever the header and the claims say.
fn signed(header: &str, payload: &str) -> String {
    let message = format!("{}.{}", B64.encode(header), B64.encode(payload));
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

const PLAIN: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn refused(what: &str, token: &str) {
    assert!(verify(token, now()).is_err(), "accepted: {what}");
}

#[test]
fn our_own_token_is_read_back() {
    let (user, family) = (crate::id::new(), crate::id::new());
    let token = tokens().issue(user, "a@example.org", Role::Tutor, family, now()).unwrap();
    let claims = verify(&token, now()).unwrap();
    assert_eq!((claims.sub, claims.session_id, claims.named_role()), (user, family, Some(Role::Tutor)));
    assert_eq!(claims.exp - claims.iat, 3600);
    verify(&signed(PLAIN, &self::claims().to_string()), now()).unwrap();
}

#[test]
fn the_algorithm_is_ours_never_the_headers() {
    let payload = claims().to_string();
    for alg in ["none", "None", "nOnE", "HS384", "HS512", "RS256", "ES256", ""] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        refused(alg, &signed(&header, &payload));
        refused(alg, &format!("{}.{}.", B64.encode(&header), B64.encode(&payload)));
    }
    refused("no algorithm", &signed(r#"{"typ":"JWT"}"#, &payload));
}

#[test]
fn a_signature_is_needed_and_of_our_key() {
    let token = signed(PLAIN, &claims().to_string());
    let (message, signature) = token.rsplit_once('.').unwrap();
    refused("empty signature", &format!("{message}."));
    refused("no signature", message);
    refused("cut signature", &token[..token.len() - 4]);
    refused("padded signature", &format!("{message}.{signature}="));
    let other = Tokens::new(b"quite another secret of 32 bytes", Duration::from_secs(60));
    refused(
        "foreign key",
        &other.issue(crate::id::new(), "a@b.c", Role::Admin, crate::id::new(), now()).unwrap(),
    );
    let mut forged = claims();
    forged["app_metadata"]["role"] = "admin".into();
    let (header, _) = message.split_once('.').unwrap();
    refused("changed payload", &format!("{header}.{}.{signature}", B64.encode(forged.to_string())));
}

#[test]
fn a_header_that_asks_for_anything_is_refused() {
    let payload = claims().to_string();
    let extras = [
        json!({"kid": "../../dev/null"}),
        json!({"kid": "' OR 1=1 --"}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/cert"}),
        json!({"x5c": ["AAAA"]}),
        json!({"jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"crit": ["exp"]}),
        json!({"b64": false}),
        json!({"enc": "A256GCM"}),
        json!({"zip": "DEF"}),
        json!({"typ": "at+jwt"}),
        json!({"cty": "JWT"}),
    ];
    for extra in extras {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        refused(&header.to_string(), &signed(&header.to_string(), &payload));
    }
}

#[test]
fn every_claim_is_ours_and_of_its_type() {
    let at = now().as_second();
    let changes = [
        ("exp", Value::Null),
        ("exp", (at + 60).to_string().into()),
        ("exp", json!(1e308)),
        ("exp", json!(0.5)),
        ("exp", (-1).into()),
        ("exp", (at - 61).into()),
        ("exp", i64::MAX.into()),
        ("iat", (at + 3600).into()),
        ("iat", Value::Null),
        ("iss", "other".into()),
        ("iss", json!(["fynq"])),
        ("iss", Value::Null),
        ("nbf", (at + 1).into()),
        ("nbf", (at - 1).to_string().into()),
        ("nbf", json!(0.5)),
        ("is_anonymous", true.into()),
        ("is_anonymous", "no".into()),
        ("client_id", "another-program".into()),
        ("client_id", "".into()),
        ("client_id", false.into()),
        ("email", "".into()),
        ("email", "no address".into()),
        ("email", Value::Null),
        ("sub", "00000000-0000-0000-0000-000000000000".into()),
        ("session_id", "00000000-0000-0000-0000-000000000000".into()),
        ("aud", "anon".into()),
        ("aud", json!(["authenticated"])),
        ("aud", json!(["authenticated", "other"])),
        ("aud", Value::Null),
        ("sub", "not a uuid".into()),
        ("sub", Value::Null),
        ("session_id", Value::Null),
        ("role", "service_role".into()),
        ("role", "anon".into()),
        ("role", Value::Null),
        ("app_metadata", json!({"role": "root"})),
        ("app_metadata", Value::Null),
    ];
    for (claim, value) in changes {
        let mut changed = claims();
        let what = format!("{claim} = {value}");
        match value {
            Value::Null => drop(changed.as_object_mut().unwrap().remove(claim)),
            value => changed[claim] = value,
        }
        refused(&what, &signed(PLAIN, &changed.to_string()));
    }
    let twice = claims().to_string().replacen('{', r#"{"role":"authenticated","#, 1);
    refused("a claim twice", &signed(PLAIN, &twice));
}

#[test]
fn what_may_be_left_out_may_not_be_null() {
    for claim in ["nbf", "is_anonymous", "client_id"] {
        let mut changed = claims();
        changed[claim] = Value::Null;
        refused(claim, &signed(PLAIN, &changed.to_string()));
    }
    for header in [r#"{"alg":"HS256","kid":null}"#, r#"{"alg":"HS256","typ":null}"#, r#"{"alg":null}"#] {
        refused(header, &signed(header, &claims().to_string()));
    }
    let twice = r#"{"alg":"HS256","alg":"HS256"}"#;
    refused(twice, &signed(twice, &claims().to_string()));
}

#[test]
fn a_token_counts_from_its_beginning_on() {
    let mut later = claims();
    later["nbf"] = now().as_second().into();
    let token = signed(PLAIN, &later.to_string());
    verify(&token, now()).unwrap();
    assert_eq!(verify(&token, now() - jiff::SignedDuration::from_secs(1)), Err(Unread::Bad("not valid yet")));
}

#[test]
fn supabases_clock_may_differ_by_half_a_minute() {
    let rules = Rules::supabase("https://abc.supabase.co", "authenticated");
    let mut claims = claims();
    claims["iss"] = "https://abc.supabase.co/auth/v1".into();
    claims["aud"] = json!(["authenticated"]);
    let claims: Claims = serde_json::from_value(claims).unwrap();
    let at = |seconds: i64| rules.check(&claims, now() + jiff::SignedDuration::from_secs(seconds));
    assert_eq!((at(-30), at(-31)), (Ok(()), Err("issued in the future")));
    assert_eq!((at(89), at(90)), (Ok(()), Err("expired")));
}

#[test]
fn what_is_no_token_is_refused() {
    let good = signed(PLAIN, &claims().to_string());
    for bad in ["", ".", "..", "...", "a.b.c", "null", &"a".repeat(20_000), &format!("{good}.a.b")] {
        refused(&bad.chars().take(20).collect::<String>(), bad);
    }
    let mut long = claims();
    long["email"] = "a".repeat(20_000).into();
    refused("20 KiB", &signed(PLAIN, &long.to_string()));
    refused("a refresh token", &super::super::secret::Secret::new().into_text());
}

#[test]
fn a_clock_may_be_half_a_minute_behind_the_issuers() {
    let token = signed(PLAIN, &claims().to_string());
    let before = |seconds: i64| now() - jiff::SignedDuration::from_secs(seconds);
    verify(&token, before(30)).unwrap();
    assert_eq!(verify(&token, before(31)), Err(Unread::Bad("issued in the future")));
}

#[test]
fn a_life_ends_when_it_says_so() {
    let token = signed(PLAIN, &claims().to_string());
    let after = |seconds: i64| now() + jiff::SignedDuration::from_secs(seconds);
    verify(&token, after(59)).unwrap();
    assert_eq!(verify(&token, after(60)), Err(Unread::Bad("expired")));
}

#[test]
fn a_weak_secret_is_refused() {
    assert!(Verifier::local(b"short").is_err());
}

#[test]
fn the_kept_secret_stays_and_nobody_else_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("fynq-secret-{}", crate::id::new()));
    let first = kept_secret(&folder).unwrap();
    let second = kept_secret(&folder).unwrap();
    assert_eq!(first.expose_secret(), second.expose_secret());
    assert_eq!(first.expose_secret().len(), 32);
    let path = folder.join("token-secret");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left aside");
    std::fs::write(&path, b"cut").unwrap();
    assert!(kept_secret(&folder).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
