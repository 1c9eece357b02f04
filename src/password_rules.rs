//! Which passwords may be chosen, after ASVS 5.0: long enough, not one that is tried first, not made of
//! what everybody knows of its owner. Nothing about which characters; every door asks here.

use sha2::{Digest, Sha256};

pub const LEAST: usize = 8;
pub const MOST: usize = 128;

/// Sorted beginnings of SHA-256: of the 100,000 commonest passwords in lower case that are long enough to
/// be used here. `scripts/passwords.mjs` writes it. A password that is none of them meets the beginning
/// of one once in 2.8 billion times.
const COMMON: &[u8] = include_bytes!("password_rules/common.bin");
const PREFIX: usize = 6;

/// Shorter words stand inside too many good passwords.
const SHORTEST_WORD: usize = 3;
/// Digits and marks beside such words are no secret up to this many.
const AROUND: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    Short,
    Long,
    Common,
    Personal,
}

impl Weak {
    /// A sentence for whoever chose it.
    pub fn why(self) -> &'static str {
        match self {
            Weak::Short => "A password needs at least 8 characters.",
            Weak::Long => "A password has at most 128 characters.",
            Weak::Common => "Many people use this password, so it is tried first. Please choose another one.",
            Weak::Personal => {
                "This password is made of your name, your address, your school or fynq. Please choose another one."
            }
        }
    }
}

/// `about`: what others know of its owner (names, the e-mail address, the school, the classes).
pub fn check(password: &str, about: &[&str]) -> Result<(), Weak> {
    match password.chars().count() {
        n if n < LEAST => return Err(Weak::Short),
        n if n > MOST => return Err(Weak::Long),
        _ => {}
    }
    let lower = password.to_lowercase();
    if is_common(&lower) {
        return Err(Weak::Common);
    }
    if is_made_of(&lower, about) { Err(Weak::Personal) } else { Ok(()) }
}

fn is_common(lower: &str) -> bool {
    let hash = Sha256::digest(lower.as_bytes());
    let (entries, _) = COMMON.as_chunks::<PREFIX>();
    let Some(wanted) = hash.first_chunk::<PREFIX>() else { return false };
    entries.binary_search(wanted).is_ok()
}

/// Whether nothing but a few digits and marks is left once the words are taken out.
fn is_made_of(lower: &str, about: &[&str]) -> bool {
    let words = words(about);
    let mut left = lower.to_owned();
    for word in &words {
        left = left.replace(word.as_str(), "");
    }
    left.len() < lower.len() && left.chars().count() <= AROUND && !left.chars().any(char::is_alphabetic)
}

/// The words in lower case, longest first: `Ada Lovelace` gives `ada lovelace`, `adalovelace`,
/// `lovelace` and `ada`.
fn words(about: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    for text in about.iter().chain(&["fynq"]) {
        let text = text.trim().to_lowercase();
        let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        words.extend(parts.clone().map(str::to_owned));
        words.push(parts.collect());
        if let Some((name, _)) = text.split_once('@') {
            words.push(name.chars().filter(|c| c.is_alphanumeric()).collect());
            words.push(name.to_owned());
        }
        words.push(text);
    }
    words.retain(|word| word.chars().count() >= SHORTEST_WORD);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_sorted() {
        let (entries, rest) = COMMON.as_chunks::<PREFIX>();
        assert_eq!((entries.len(), rest.len()), (100_000, 0));
        assert!(entries.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_is_tried_first_is_refused_in_any_case() {
        for common in ["password1", "qwertyuiop", "12345678", "iloveyou", "PassWord1", "football", "sunshine"]
        {
            assert_eq!(check(common, &[]), Err(Weak::Common), "{common}");
        }
        for good in ["correct horse battery", "correct horse", "a long password", "the real one"] {
            assert_eq!(check(good, &[]), Ok(()), "{good}");
        }
    }

    #[test]
    fn eight_to_128_characters_of_any_kind() {
        assert_eq!(check("zk3!p9w", &[]), Err(Weak::Short));
        assert_eq!(check("zk3!p9wq", &[]), Ok(()));
        assert_eq!(check(&"äß☃🦀".repeat(32), &[]), Ok(()));
        assert_eq!(check(&"äß☃🦀".repeat(33), &[]), Err(Weak::Long));
        // Nothing is asked of the kinds of characters, and blanks count.
        for plain in ["mostlylowerletters", "ALLINUPPERLETTERS", "481516234207", " blank  blank "] {
            assert_eq!(check(plain, &[]), Ok(()), "{plain}");
        }
    }

    #[test]
    fn what_everybody_knows_is_no_secret() {
        let about = ["Ada Lovelace", "ada.lovelace42@northfield.example", "Northfield School", "Maths 7b"];
        for personal in [
            "AdaLovelace",
            "ada lovelace",
            "Lovelace2026!",
            "!!lovelace!!",
            "northfield1",
            "NorthfieldSchool",
            "northfield.example",
            "ada.lovelace42",
            "fynq2026!",
            "fynqfynq",
            "fynq12345678",
            "mathsmaths7b",
        ] {
            assert_eq!(check(personal, &about), Err(Weak::Personal), "{personal}");
        }
        for good in ["lovelace likes engines", "northfield-zebra", "fynq is my tutor", "ada97531864209"] {
            assert_eq!(check(good, &about), Ok(()), "{good}");
        }
        assert_eq!(check("lovelace-", &[]), Ok(()), "of somebody else");
        assert_eq!(check("20260817", &["20260817@school.example"]), Err(Weak::Personal));
        // Too short to mean anything.
        assert_eq!(check("bo-97531", &["Bo"]), Ok(()));
    }
}
