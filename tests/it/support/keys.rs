//! Keys that sign tokens, and tokens that say whatever a test likes.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// PKCS#8 wraps the private key that the library wants in a header of this length.
const RSA_WRAPPING: usize = 26;

/// SubjectPublicKeyInfo of a P-256 point, up to the point.
const EC_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// rsaEncryption, with no parameters.
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let head: Vec<u8> = match length {
        0..=127 => vec![tag, length.to_be_bytes()[1]],
        _ => vec![tag, 0x82, length.to_be_bytes()[0], length.to_be_bytes()[1]],
    };
    [head, content.to_vec()].concat()
}

#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    encoding: EncodingKey,
}

impl SigningKey {
    pub(crate) fn es256(kid: &str) -> SigningKey {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let encoding = EncodingKey::from_ec_der(pair.unwrap().as_ref());
        SigningKey { kid: kid.to_owned(), algorithm: Algorithm::ES256, encoding }
    }

    pub(crate) fn rs256(kid: &str) -> SigningKey {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let wrapped: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let encoding = EncodingKey::from_rsa_der(&wrapped.as_ref()[RSA_WRAPPING..]);
        SigningKey { kid: kid.to_owned(), algorithm: Algorithm::RS256, encoding }
    }

    pub(crate) fn hs256(secret: &[u8]) -> SigningKey {
        let encoding = EncodingKey::from_secret(secret);
        SigningKey { kid: String::new(), algorithm: Algorithm::HS256, encoding }
    }

    /// As Supabase lists it.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.kid.as_str().into();
        jwk["key_ops"] = json!(["verify"]);
        jwk["ext"] = true.into();
        jwk
    }

    /// The public half as its owner might hand it out: what a forger takes for a shared secret. The
    /// first is DER, as PEM wraps it.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let jwk = self.jwk();
        let number = |name: &str| B64.decode(jwk[name].as_str().unwrap()).unwrap();
        if self.algorithm == Algorithm::ES256 {
            return [EC_PREFIX, &[4], &number("x")[..], &number("y")].concat();
        }
        let integer = |bytes: Vec<u8>| der(2, &[&[0][..], &bytes].concat());
        let pair = der(0x30, &[integer(number("n")), integer(number("e"))].concat());
        let bits = der(3, &[&[0][..], &pair].concat());
        der(0x30, &[RSA_ALGORITHM, &bits[..]].concat())
    }

    /// The head of a token of this key's.
    pub(crate) fn header(&self) -> Value {
        let alg = format!("{:?}", self.algorithm);
        if self.kid.is_empty() {
            return json!({"alg": alg, "typ": "JWT"});
        }
        json!({"alg": alg, "kid": self.kid, "typ": "JWT"})
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_texts(&self.header().to_string(), &claims.to_string())
    }

    /// Signs whatever it is given, in the key's own way whatever the head says.
    pub(crate) fn sign_texts(&self, header: &str, payload: &str) -> String {
        self.sign_as(self.algorithm, header, payload)
    }

    pub(crate) fn sign_as(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", B64.encode(header), B64.encode(payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// One of a token's first two parts, as JSON.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&B64.decode(part).expect("base64url")).expect("JSON")
}
