//! A key, and the one algorithm that it is for.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::Unread;
use super::claims::Claims;

pub(super) const HS256: &str = "HS256";
const ES256: &str = "ES256";
const RS256: &str = "RS256";

pub(super) struct Key {
    name: &'static str,
    decoding: DecodingKey,
    /// Allows this key's algorithm and no other.
    validation: Validation,
}

impl Key {
    pub(super) fn hmac(secret: &[u8]) -> Key {
        Key::new(HS256, Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// `x` and `y`: base64url, checked by the caller.
    pub(super) fn p256(x: &str, y: &str) -> Option<Key> {
        Some(Key::new(ES256, Algorithm::ES256, DecodingKey::from_ec_components(x, y).ok()?))
    }

    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Key {
        let decoding = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Key::new(RS256, Algorithm::RS256, decoding)
    }

    fn new(name: &'static str, algorithm: Algorithm, decoding: DecodingKey) -> Key {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // `Rules` compares every claim by itself: the clock is an argument there, and the library
        // passes over an issuer or an audience of a type that it does not expect.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Key { name, decoding, validation }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        self.name
    }

    /// Checks the signature, then reads the claims; what they say is not looked at.
    pub(super) fn open(&self, token: &str) -> Result<Claims, Unread> {
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map(|opened| opened.claims)
            .map_err(|error| Unread::Bad(reason(error.kind())))
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "bad signature",
        ErrorKind::MissingRequiredClaim(_) => "missing claim",
        ErrorKind::InvalidAlgorithm => "foreign algorithm",
        _ => "malformed",
    }
}
