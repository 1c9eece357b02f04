//! Texts as signals see them: words without case, accents and apostrophes, as numbers. No word of anybody's
//! is kept.

use std::collections::{HashMap, HashSet};

/// No more of a text is looked at; a message is at most half as long.
const MOST: usize = 32 * 1024;
/// The longest quotation, in bytes: a lone quotation mark must not hide what follows.
const QUOTATION: usize = 400;
/// So many words may stand where a phrase has a gap (`..`).
const GAP: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) hash: u64,
    /// It has a digit: an exercise is told from another by its numbers.
    pub(super) is_number: bool,
    /// Somebody else's words, perhaps.
    pub(super) is_quoted: bool,
    /// A sentence stops behind it, or a part of one.
    pub(super) stops: bool,
}

/// The words of a text, in order.
pub(super) fn words(text: &str) -> Vec<Word> {
    let text = start(text, MOST);
    let quoted = quotations(text);
    let mut quoted = quoted.iter().peekable();
    let mut words = Vec::new();
    let mut open: Option<Word> = None;
    for (at, c) in text.char_indices() {
        while quoted.next_if(|(_, end)| *end <= at).is_some() {}
        if is_silent(c) {
            continue;
        }
        if !c.is_alphanumeric() {
            words.extend(open.take().map(|word| Word { stops: stops(c), ..word }));
            continue;
        }
        let is_quoted = quoted.peek().is_some_and(|(from, _)| *from <= at);
        let word = open.get_or_insert(Word { hash: SEED, is_number: false, is_quoted, stops: true });
        word.is_number |= c.is_numeric();
        for c in c.to_lowercase() {
            match plain(c) {
                Some(letters) => letters.bytes().for_each(|byte| word.hash = stir(word.hash, byte)),
                None => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| word.hash = stir(word.hash, byte)),
            }
        }
    }
    words.extend(open);
    words
}

fn stops(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '…' | '-' | '–' | '—' | '\n')
}

/// The first bytes of a text, never half a character.
pub(super) fn start(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

// FNV-1a.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn stir(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// Inside a word, and no part of it: apostrophes that people leave out, accents of their own, what cannot
/// be seen.
fn is_silent(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '`' | '´' | '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A lower-case letter without its accent; `None`: as it is.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'è'..='ë' | 'ē' | 'ę' | 'ě' => "e",
        'ì'..='ï' | 'ī' => "i",
        'ñ' | 'ń' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'ù'..='ü' | 'ū' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        _ => return None,
    })
}

/// Where something is quoted, in bytes.
fn quotations(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, c) in text.char_indices() {
        let is_mark = matches!(c, '"' | '“' | '”' | '„' | '«' | '»');
        match open {
            Some((from, mark)) if at - from <= QUOTATION && closes(mark, c) => {
                found.push((from, at));
                open = None;
            }
            Some((from, _)) if at - from <= QUOTATION => {}
            _ if is_mark => open = Some((at, c)),
            _ => open = None,
        }
    }
    found
}

fn closes(open: char, c: char) -> bool {
    match open {
        '"' => c == '"',
        '“' => c == '”',
        '„' => matches!(c, '“' | '”' | '"'),
        '«' => c == '»',
        '»' => c == '«',
        _ => matches!(c, '“' | '”'),
    }
}

/// One part of a phrase.
#[derive(Clone, Copy, Debug)]
enum Part {
    Word(u64),
    /// Up to `GAP` words, none of which takes back what is said.
    Gap,
}

/// Phrases, each with what it means; found in one pass over a text.
pub(super) struct Phrases<T> {
    by_first: HashMap<u64, Vec<(Vec<Part>, T)>>,
    /// Words that take back what is said when they stand in a gap.
    no: HashSet<u64>,
}

impl<T: Copy> Phrases<T> {
    /// Phrases are words with spaces between, `..` for a gap, several in one text with `|` between.
    pub(super) fn new<'a>(phrases: impl IntoIterator<Item = (&'a str, T)>) -> Phrases<T> {
        let mut by_first: HashMap<u64, Vec<(Vec<Part>, T)>> = HashMap::new();
        for (text, meaning) in phrases {
            for phrase in text.split('|') {
                let mut parts: Vec<Part> = Vec::new();
                for piece in phrase.split_whitespace() {
                    match piece {
                        ".." => parts.push(Part::Gap),
                        piece => parts.extend(words(piece).iter().map(|word| Part::Word(word.hash))),
                    }
                }
                if let Some(Part::Word(first)) = parts.first() {
                    by_first.entry(*first).or_default().push((parts[1..].to_vec(), meaning));
                }
            }
        }
        Phrases { by_first, no: set("not dont doesnt never no nicht nie ne pas jamais nunca kein keine") }
    }

    /// What is found, and at which word it begins.
    pub(super) fn found<'a>(&'a self, text: &'a [Word]) -> impl Iterator<Item = (T, usize)> + 'a {
        text.iter().enumerate().flat_map(move |(at, word)| {
            let here = self.by_first.get(&word.hash).into_iter().flatten();
            let fits = here.filter(move |(rest, _)| self.fits(rest, &text[at + 1..]));
            fits.map(move |(_, meaning)| (*meaning, at))
        })
    }

    /// Whether one stands at the very beginning; of a single word, by itself: "Fast!" and not "Fast food".
    pub(super) fn begins(&self, text: &[Word]) -> bool {
        let Some((first, after)) = text.split_first() else { return false };
        let mut phrases = self.by_first.get(&first.hash).into_iter().flatten();
        phrases.any(|(rest, _)| if rest.is_empty() { first.stops } else { self.fits(rest, after) })
    }

    fn fits(&self, parts: &[Part], text: &[Word]) -> bool {
        match parts.split_first() {
            None => true,
            Some((Part::Word(word), rest)) => {
                text.first().is_some_and(|first| first.hash == *word) && self.fits(rest, &text[1..])
            }
            Some((Part::Gap, rest)) => (0..=GAP.min(text.len())).any(|skipped| {
                !text[..skipped].iter().any(|word| self.no.contains(&word.hash))
                    && self.fits(rest, &text[skipped..])
            }),
        }
    }
}

/// The words of a list.
pub(super) fn set(list: &str) -> HashSet<u64> {
    words(list).iter().map(|word| word.hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(text: &str) -> Vec<u64> {
        words(text).iter().map(|word| word.hash).collect()
    }

    #[test]
    fn case_accents_and_apostrophes_do_not_matter() {
        for (one, other) in [
            ("Don't", "dont"),
            ("DON’T", "dont"),
            ("Möchte", "mochte"),
            ("mo\u{308}chte", "möchte"),
            ("ÉTÉ", "ete"),
            ("Straße", "strasse"),
            ("x+5=11", "x 5 11"),
            ("s\u{200b}ame", "same"),
        ] {
            assert_eq!(hashes(one), hashes(other), "{one} {other}");
        }
        assert_ne!(hashes("die"), hashes("dice"));
        assert!(words("3x")[0].is_number && !words("x")[0].is_number);
        assert_eq!(words("").len(), 0);
    }

    #[test]
    fn quotations_are_known_unless_they_never_end() {
        let quoted = |text: &str| words(text).iter().map(|word| word.is_quoted).collect::<Vec<_>>();
        assert_eq!(quoted("he said \"I go\" and"), [false, false, true, true, false]);
        assert_eq!(quoted("er sagt „ich gehe“ und"), [false, false, true, true, false]);
        assert_eq!(quoted("il dit « je vais » et"), [false, false, true, true, false]);
        assert_eq!(quoted("5\" of rain"), [false; 3]);
        let long = format!("\"{}\" x", "word ".repeat(200));
        assert!(quoted(&long).iter().all(|quoted| !quoted));
    }

    #[test]
    fn phrases_are_found_with_gaps_and_not_when_taken_back() {
        let phrases = Phrases::new([("i .. want to go|leave me", 1), ("never mind", 2)]);
        let found = |text: &str| phrases.found(&words(text)).map(|(meaning, _)| meaning).collect::<Vec<_>>();
        assert_eq!(found("I want to go, and I really just want to go"), [1, 1]);
        assert_eq!(found("I said that you want to go"), [0; 0]);
        assert_eq!(found("I don't want to go"), [0; 0]);
        assert_eq!(found("Never mind! LEAVE me."), [2, 1]);
        assert_eq!(found("leave"), [0; 0]);
        let alone = Phrases::new([("fast", ())]);
        assert!(["Fast!", "fast, aber", "Fast"].iter().all(|text| alone.begins(&words(text))));
        assert!(!alone.begins(&words("Fast alle")) && !alone.begins(&words("")));
        assert!(phrases.begins(&words("Never mind that")) && !phrases.begins(&words("oh never mind")));
        assert_eq!(phrases.found(&words("so: leave me")).collect::<Vec<_>>(), [(1, 1)]);
    }
}
