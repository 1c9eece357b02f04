//! What a token says, and what it must say. Pure: time is an argument.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Role;

use super::{issuer_of, present};

pub(super) const LOCAL_ISSUER: &str = "fynq";
/// Supabase's words, so that the same checks read both kinds of token.
pub(super) const AUTHENTICATED: &str = "authenticated";
/// Clocks of two machines may differ by this much.
const LEEWAY_S: i64 = 30;
/// The longest address that mail can be sent to.
const MAX_EMAIL: usize = 254;

/// Its role is a hint for clients: the server reads rights from the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::auth) struct Claims {
    pub(super) iss: String,
    pub(super) aud: Audience,
    pub(in crate::auth) sub: Uuid,
    pub(super) email: String,
    pub(super) role: String,
    /// The sign-in: what logout ends.
    pub(in crate::auth) session_id: Uuid,
    pub(super) iat: i64,
    pub(super) exp: i64,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) is_anonymous: Option<bool>,
    /// Another program's, which its person let in at a project that is an OAuth server: it was given less
    /// than all their rights, and how much less is for nobody here to know.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<Value>,
    #[serde(default)]
    pub(super) app_metadata: AppMetadata,
}

/// `aud` may be a text or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What only the project's owner writes; `user_metadata`, which its user writes, is not even read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppMetadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Value>,
}

impl Claims {
    pub(in crate::auth) fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.exp).unwrap_or(Timestamp::MIN)
    }

    /// In lower case, as addresses are kept.
    pub(in crate::auth) fn email(&self) -> String {
        self.email.to_lowercase()
    }

    /// The role that the project's owner wrote down, if it is one of ours.
    pub(in crate::auth) fn named_role(&self) -> Option<Role> {
        self.app_metadata.role.as_ref().and_then(Value::as_str).and_then(Role::parse)
    }
}

/// What the tokens of one issuer must say.
pub(super) struct Rules {
    issuer: String,
    audience: String,
    /// How long after its end, and before its beginning, a token still counts.
    leeway: i64,
    /// Whether `aud` may be a list (of exactly the one audience), as Go's libraries write it.
    list_of_one: bool,
    /// Ours always name a role of ours; a project's may say what it likes there.
    role_needed: bool,
}

impl Rules {
    /// A life's end is meant as it is said: the clock that set it is ours.
    pub(super) fn local() -> Rules {
        let (issuer, audience) = (LOCAL_ISSUER.into(), AUTHENTICATED.into());
        Rules { issuer, audience, leeway: 0, list_of_one: false, role_needed: true }
    }

    pub(super) fn supabase(url: &str, audience: &str) -> Rules {
        let (issuer, audience) = (issuer_of(url), audience.to_owned());
        Rules { issuer, audience, leeway: LEEWAY_S, list_of_one: true, role_needed: false }
    }

    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
        let now = now.as_second();
        let audience = match &claims.aud {
            Audience::One(aud) => *aud == self.audience,
            Audience::Many(all) => self.list_of_one && matches!(&all[..], [aud] if *aud == self.audience),
        };
        let faults = [
            (claims.iss != self.issuer, "foreign issuer"),
            (!audience, "foreign audience"),
            (claims.role != AUTHENTICATED, "foreign role"),
            (claims.is_anonymous == Some(true), "anonymous"),
            (claims.client_id.is_some(), "another program's"),
            (claims.exp <= now.saturating_sub(self.leeway), "expired"),
            (Timestamp::from_second(claims.exp).is_err(), "expires beyond time"),
            (claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(self.leeway)), "not valid yet"),
            (claims.iat > now.saturating_add(LEEWAY_S), "issued in the future"),
            (claims.sub.is_nil(), "nobody's"),
            (claims.session_id.is_nil(), "of no sign-in"),
            (!is_address(&claims.email), "no e-mail address"),
            (self.role_needed && claims.named_role().is_none(), "unknown role"),
        ];
        match faults.iter().find(|(is_so, _)| *is_so) {
            Some((_, reason)) => Err(reason),
            None => Ok(()),
        }
    }
}

/// Whether there is one; that it is right was the issuer's to find out.
fn is_address(email: &str) -> bool {
    email.len() <= MAX_EMAIL
        && !email.chars().any(char::is_control)
        && email.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
}
