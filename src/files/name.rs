//! Names of files: words for people. No path is ever made of one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization as _;

/// In characters.
const LONGEST: usize = 120;
/// Of an ending, its dot included.
const LONGEST_ENDING: usize = 10;

/// What RFC 8187 lets stand as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as it is kept: of its last part what can be shown anywhere, in one normal form, and not too long.
/// `ending` is what its bytes are called, such as `.png`; another that means the same may stay.
pub fn kept(given: &str, ending: &str, also: &[&str]) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String =
        last.nfc().map(|c| if is_special(c) { '_' } else { c }).filter(|c| !is_hidden(*c)).collect();
    let shown = shown.trim_matches(|c: char| c.is_whitespace() || c == '.');
    let (mut stem, had) = split(shown);
    let fits = had.eq_ignore_ascii_case(ending) || also.iter().any(|other| had.eq_ignore_ascii_case(other));
    let ending = if fits { had } else { ending };
    // What is called something else keeps that as a part of its name, unless it was a picture's.
    if !fits && !is_picture(had) {
        stem = shown;
    }
    let room = LONGEST - ending.chars().count();
    let stem: String = stem.chars().take(room).collect();
    let stem = stem.trim_end();
    match stem {
        "" => format!("file{ending}"),
        stem if is_device(stem) => format!("_{stem}{ending}").chars().take(LONGEST).collect(),
        stem => format!("{stem}{ending}"),
    }
}

/// The ending of a name, such as `.md`; empty when there is none.
pub fn ending(name: &str) -> &str {
    split(name).1
}

/// `Content-Disposition`, as RFC 6266 wants it: no character of the name can end it.
pub fn disposition(how: &str, name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " -._()".contains(c) { c } else { '_' })
        .collect();
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, PLAIN))
}

fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name[at..].chars().count() <= LONGEST_ENDING => name.split_at(at),
        _ => (name, ""),
    }
}

fn is_picture(ending: &str) -> bool {
    [".png", ".jpg", ".jpeg", ".webp", ".gif"].iter().any(|one| ending.eq_ignore_ascii_case(one))
}

/// Means something to a shell or a file system.
fn is_special(c: char) -> bool {
    "<>:\"|?*%".contains(c)
}

/// Cannot be seen, or turns around what can.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// What Windows takes for a device.
fn is_device(stem: &str) -> bool {
    let stem = stem.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(given: &str) -> String {
        kept(given, ".png", &[])
    }

    #[test]
    fn a_name_is_its_last_part_and_can_be_shown_anywhere() {
        for (given, wanted) in [
            ("Blatt 3.png", "Blatt 3.png"),
            ("u\u{308}bung.png", "übung.png"),
            ("../../etc/passwd", "passwd.png"),
            ("..\\..\\windows\\win.ini", "win.ini.png"),
            ("..%2f..%2fx.png", "_2f.._2fx.png"),
            ("a\0b\r\nSet-Cookie: x.png", "abSet-Cookie_ x.png"),
            ("photo\u{202e}gnp.exe", "photognp.exe.png"),
            ("\u{200b}\u{feff}.png", "png.png"),
            ("CON", "_CON.png"),
            ("con.png", "_con.png"),
            ("lpt1.png", "_lpt1.png"),
            ("", "file.png"),
            ("...", "file.png"),
            (".png", "png.png"),
            ("photo.gif", "photo.png"),
            ("photo.PNG", "photo.PNG"),
            ("<script>.png", "_script_.png"),
        ] {
            assert_eq!(png(given), wanted, "{given:?}");
        }
        assert_eq!(kept("a.jpeg", ".jpg", &[".jpeg"]), "a.jpeg");
    }

    #[test]
    fn no_name_is_too_long() {
        for given in
            ["a".repeat(4096), "ü".repeat(4096), format!("{}.png", "漢".repeat(300)), ".".repeat(4096)]
        {
            let name = png(&given);
            assert!(name.chars().count() <= LONGEST && name.ends_with(".png"), "{name}");
        }
    }

    #[test]
    fn a_disposition_cannot_be_left() {
        let header = disposition("attachment", "a\"; filename=\"b.html\\ü'*.txt");
        assert_eq!(
            header,
            "attachment; filename=\"a__ filename__b.html____.txt\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.html%5C%C3%BC%27%2A.txt"
        );
    }
}
