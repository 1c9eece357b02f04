//! Opaque secrets: refresh tokens and tickets. The client keeps the words, the database their hash.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngCore;
use sha2::{Digest, Sha256};

/// A secret that was just made; shown to the client once.
pub(super) struct Secret(String);

/// What the database keeps of it.
pub(super) type Hash = [u8; 32];

impl Secret {
    pub(super) fn new() -> Secret {
        Secret(BASE64_URL_SAFE_NO_PAD.encode(random_bytes()))
    }

    pub(super) fn hash(&self) -> Hash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The hash of a secret that a client shows; `None` when it cannot be one of ours.
pub(super) fn hash_of(text: &str) -> Option<Hash> {
    let looks_right = text.len() == 43
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    looks_right.then(|| Sha256::digest(text.as_bytes()).into())
}

/// Of a secret that somebody else made, in whichever form.
pub(super) fn digest(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// 256 bits that nobody can guess.
pub(super) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_again_by_its_hash() {
        let secret = Secret::new();
        let hash = secret.hash();
        let text = secret.into_text();
        assert_eq!(text.len(), 43, "256 bits, no padding: fits a subprotocol entry");
        assert_eq!(hash_of(&text), Some(hash));
        assert_eq!(hash_of(&format!("{text}=")), None);
        assert_eq!(hash_of(""), None);
        assert_ne!(Secret::new().into_text(), Secret::new().into_text());
    }
}
