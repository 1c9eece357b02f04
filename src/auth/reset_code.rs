//! Codes that a person reads out or types: reset codes. Upper-case letters and digits in groups of four,
//! without those that look alike.

use rand::Rng as _;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::secret::Hash;

/// Crockford's: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 4;
/// Of five bits each: 140 bits, which nobody guesses within a day.
const SYMBOLS: usize = 28;

/// A code that was just made; shown once.
pub(super) struct Code(String);

impl Code {
    pub(super) fn new() -> Code {
        let mut rng = rand::rng();
        let symbols = std::iter::repeat_with(|| ALPHABET[rng.random_range(0..ALPHABET.len())]);
        Code(symbols.take(SYMBOLS).map(char::from).collect())
    }

    pub(super) fn hash(&self) -> Hash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// In groups, as it is read out.
    pub(super) fn into_text(self) -> SecretString {
        let groups = self.0.as_bytes().chunks(GROUP).map(|group| String::from_utf8_lossy(group));
        groups.collect::<Vec<_>>().join("-").into()
    }
}

/// The hash of a code as somebody typed it: in any case, with any blanks and hyphens, with an O for a
/// zero. `None` when it cannot be one.
pub(super) fn hash_of(typed: &str) -> Option<Hash> {
    let mut plain = String::new();
    for c in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        if !c.is_ascii() || !ALPHABET.contains(&(c as u8)) || plain.len() == SYMBOLS {
            return None;
        }
        plain.push(c);
    }
    (plain.len() == SYMBOLS).then(|| Sha256::digest(plain.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn a_code_is_found_again_however_it_is_typed() {
        let code = Code::new();
        let hash = code.hash();
        let text = code.into_text();
        let text = text.expose_secret();
        assert_eq!((text.len(), text.matches('-').count()), (34, 6), "{text}");
        let typed = [
            text.to_owned(),
            text.to_lowercase(),
            text.replace('-', ""),
            format!(" {} ", text.replace('-', " ")),
            text.replace('0', "o").replace('1', "l"),
        ];
        for typed in typed {
            assert_eq!(hash_of(&typed), Some(hash), "{typed}");
        }
        for bad in
            ["", "0", &text[1..], &format!("{text}0"), &text.replacen(&text[..1], "ü", 1), &"0".repeat(9999)]
        {
            assert_eq!(hash_of(bad), None, "{bad}");
        }
        assert_ne!(Code::new().hash(), hash);
    }

    #[test]
    fn it_has_more_than_128_bits() {
        const { assert!(SYMBOLS * 5 >= 128) };
        let distinct: std::collections::BTreeSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32);
    }
}
