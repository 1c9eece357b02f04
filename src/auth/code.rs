//! Codes that people read out and type: what joins a class.

use super::secret;

/// No `I`, `O`, `0` and `1`, which look like others. 32 letters: five bits each.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 60 bits: nobody guesses one, however many there are.
const LENGTH: usize = 12;

/// A new code, as it is kept: twelve letters.
pub(super) fn new() -> String {
    secret::random_bytes().iter().take(LENGTH).map(|byte| letter(*byte)).collect()
}

fn letter(byte: u8) -> char {
    char::from(LETTERS[usize::from(byte) % LETTERS.len()])
}

/// As people see it: `ABCD-EFGH-JKLM`.
pub fn shown(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 2);
    for (at, letter) in code.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            out.push('-');
        }
        out.push(letter);
    }
    out
}

/// What somebody typed, as it is kept; `None` when it cannot be one of ours.
pub fn typed(text: &str) -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
        let letter = letter.to_ascii_uppercase();
        if code.len() == LENGTH || !u8::try_from(letter).is_ok_and(|byte| LETTERS.contains(&byte)) {
            return None;
        }
        code.push(letter);
    }
    (code.len() == LENGTH).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_typed() {
        let code = new();
        assert_eq!(code.len(), LENGTH);
        assert_eq!(shown("ABCDEFGHJKLM"), "ABCD-EFGH-JKLM");
        for way in [shown(&code), code.clone(), code.to_lowercase(), format!(" {} ", shown(&code))] {
            assert_eq!(typed(&way).as_deref(), Some(&*code), "{way}");
        }
        for bad in
            ["", "ABCD-EFGH-JKL", "ABCD-EFGH-JKLMN", "ABCD-EFGH-JKL0", "ABCD-EFGH-JKLÜ", "ABCD\0EFGHJKLM"]
        {
            assert_eq!(typed(bad), None, "{bad}");
        }
    }

    #[test]
    fn codes_have_sixty_bits() {
        let letters: std::collections::BTreeSet<_> = LETTERS.iter().collect();
        assert_eq!(letters.len(), 32);
        assert_eq!(LENGTH * 5, 60);
        let seen: std::collections::HashSet<_> = (0..1000).map(|_| new()).collect();
        assert_eq!(seen.len(), 1000);
        let used: std::collections::BTreeSet<_> = seen.iter().flat_map(|code| code.bytes()).collect();
        assert_eq!(used.len(), 32, "every letter comes");
    }
}
