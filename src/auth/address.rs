//! Signed addresses: what an `<img>` or a download, which cannot carry a token, shows instead. Each is one
//! sign-in's, for one thing and for a few minutes; what that person may see is asked again when it is used.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::clock;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;

use super::{Auth, later};

/// How long an address works.
pub const ADDRESS_LIFE: Duration = Duration::from_secs(5 * 60);

/// What makes an address of a path: its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The sign-in that it is for.
    pub by: Uuid,
    /// In seconds, as Unix counts.
    pub until: i64,
    pub sig: String,
}

/// Signs addresses; made of the secret that signs the tokens, and of no use in its place.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Signer {
        let of_tokens = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let own = hmac::sign(&of_tokens, b"fynq addresses of files 1");
        Signer(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    fn sign(&self, what: &str, by: Uuid, until: i64) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, text(what, by, until).as_bytes()))
    }

    fn is_good(&self, what: &str, signed: &Signed) -> bool {
        let sig = BASE64_URL_SAFE_NO_PAD.decode(&signed.sig).unwrap_or_default();
        hmac::verify(&self.0, text(what, signed.by, signed.until).as_bytes(), &sig).is_ok()
    }
}

/// No two of what is signed read alike: an id and a number hold no line's end.
fn text(what: &str, by: Uuid, until: i64) -> String {
    format!("{by}\n{until}\n{what}")
}

impl Auth {
    /// An address of `what` for this sign-in.
    pub fn sign_address(&self, who: &Principal, what: &str) -> Signed {
        self.sign_until(what, who.family, later(clock::now(), ADDRESS_LIFE).as_second())
    }

    /// As `sign_address`, until a time.
    pub fn sign_until(&self, what: &str, by: Uuid, until: i64) -> Signed {
        Signed { by, until, sig: self.0.signer.sign(what, by, until) }
    }

    /// Whose address it is, if it works and they still may sign in. What they may see is not said by it.
    pub async fn open_address(&self, what: &str, signed: &Signed) -> Result<Principal, Problem> {
        if !self.0.signer.is_good(what, signed) {
            return Err(self.refused("a forged address"));
        }
        let until =
            clock::Timestamp::from_second(signed.until).map_err(|_| self.refused("a forged address"))?;
        if until <= clock::now() {
            return Err(self.refused("an expired address"));
        }
        let row = self.0.store.sign_ins(&[signed.by]).await?.into_iter().next();
        let who = self.principal(row, until)?;
        self.limits().request_of(who.user_id)?;
        Ok(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_for_one_thing_one_sign_in_and_one_time() {
        let signer = Signer::new(b"a secret that is only a test's own");
        let (by, until) = (crate::id::new(), 1_800_000_000);
        let signed = Signed { by, until, sig: signer.sign("file/1", by, until) };
        assert!(signer.is_good("file/1", &signed));
        assert!(!signer.is_good("file/2", &signed));
        assert!(!signer.is_good("file/1", &Signed { until: until + 1, ..signed.clone() }));
        assert!(!signer.is_good("file/1", &Signed { by: crate::id::new(), ..signed.clone() }));
        for bad in ["", "!", &signed.sig[1..], &signed.sig.to_lowercase()] {
            assert!(!signer.is_good("file/1", &Signed { sig: bad.to_owned(), ..signed.clone() }), "{bad}");
        }
        assert!(!Signer::new(b"another secret that is a test's own").is_good("file/1", &signed));
    }
}
