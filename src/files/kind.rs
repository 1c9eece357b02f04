//! What a file is: its bytes say so. Its name only tells one plain text from another.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::name;

/// What may be kept. Images are encoded anew, the others stay as they came and are only handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub media_type: &'static str,
    pub ending: &'static str,
    /// Other endings that mean the same.
    pub also: &'static [&'static str],
    pub is_image: bool,
}

const fn image(media_type: &'static str, ending: &'static str, also: &'static [&'static str]) -> Kind {
    Kind { media_type, ending, also, is_image: true }
}

const fn document(media_type: &'static str, ending: &'static str, also: &'static [&'static str]) -> Kind {
    Kind { media_type, ending, also, is_image: false }
}

pub const PLAIN_TEXT: Kind = document("text/plain", ".txt", &[".text", ".log"]);

/// Everything that is accepted, by media type.
pub const KINDS: [Kind; 11] = [
    image("image/png", ".png", &[]),
    image("image/jpeg", ".jpg", &[".jpeg"]),
    image("image/webp", ".webp", &[]),
    image("image/gif", ".gif", &[]),
    document("application/pdf", ".pdf", &[]),
    document("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx", &[]),
    document("application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx", &[]),
    document("application/vnd.oasis.opendocument.text", ".odt", &[]),
    document("text/markdown", ".md", &[".markdown"]),
    document("text/csv", ".csv", &[]),
    PLAIN_TEXT,
];

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// None of the kinds.
    Unknown,
    /// Its end is missing.
    CutOff,
}

/// As much of a file's beginning as tells its kind.
const HEAD: usize = 8192;
/// In so much of its end a PDF says that it ends.
const TAIL: u64 = 2048;

pub fn of(media_type: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.media_type == media_type)
}

/// Looks at a file's bytes; blocks.
pub fn look(path: &Path, given_name: &str) -> io::Result<Result<Kind, Unfit>> {
    let mut file = File::open(path)?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if let Some(found) = infer::get(&head) {
        let Some(kind) = of(found.mime_type()).filter(|kind| !kind.media_type.starts_with("text/")) else {
            return Ok(Err(Unfit::Unknown));
        };
        let whole = kind.media_type != "application/pdf" || says_its_end(&mut file)?;
        return Ok(if whole { Ok(kind) } else { Err(Unfit::CutOff) });
    }
    if head.is_empty() || is_markup(&head) {
        return Ok(Err(Unfit::Unknown));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(if is_text(&mut file)? { Ok(text(given_name)) } else { Err(Unfit::Unknown) })
}

fn text(given_name: &str) -> Kind {
    let ending = name::ending(given_name);
    let named = |kind: &Kind| {
        kind.ending.eq_ignore_ascii_case(ending)
            || kind.also.iter().any(|one| one.eq_ignore_ascii_case(ending))
    };
    let texts = KINDS.into_iter().filter(|kind| kind.media_type.starts_with("text/"));
    texts.into_iter().find(named).unwrap_or(PLAIN_TEXT)
}

fn says_its_end(file: &mut File) -> io::Result<bool> {
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(memchr::memmem::find(&tail, b"%%EOF").is_some())
}

/// HTML, SVG, XML: what a browser might run, whatever it is called.
fn is_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let open = head.strip_prefix(b"<").and_then(<[u8]>::first);
    if open.is_some_and(|byte| byte.is_ascii_alphabetic() || b"!?/".contains(byte)) {
        return true;
    }
    let lower = head.to_ascii_lowercase();
    ["<script", "<html", "<svg", "<!doctype", "<iframe"]
        .iter()
        .any(|tag| memchr::memmem::find(&lower, tag.as_bytes()).is_some())
}

/// UTF-8 without control characters, read piece by piece.
fn is_text(file: &mut File) -> io::Result<bool> {
    let (mut buffer, mut kept) = (vec![0; 64 << 10], 0);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        let held = &buffer[..kept + read];
        let good = match std::str::from_utf8(held) {
            Ok(text) => text,
            // A character may be in two pieces, but not at the end.
            Err(error) if error.error_len().is_none() && read > 0 => {
                std::str::from_utf8(&held[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Ok(false),
        };
        if good.chars().any(|c| c.is_control() && !"\t\n\r\u{c}".contains(c)) {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
        let (from, to) = (good.len(), held.len());
        buffer.copy_within(from..to, 0);
        kept = to - from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(bytes: &[u8], name: &str) -> Result<&'static str, Unfit> {
        let path = std::env::temp_dir().join(format!("fynq-kind-{}", crate::id::new()));
        std::fs::write(&path, bytes).unwrap();
        let found = look(&path, name).unwrap();
        std::fs::remove_file(&path).unwrap();
        found.map(|kind| kind.media_type)
    }

    #[test]
    fn bytes_say_what_a_file_is() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for name in ["a.png", "a.txt", "a.html", "a"] {
            assert_eq!(look_at(png, name), Ok("image/png"), "{name}");
        }
        assert_eq!(look_at(b"%PDF-1.4 ... %%EOF\n", "a"), Ok("application/pdf"));
        assert_eq!(look_at(b"%PDF-1.4 ...", "a.pdf"), Err(Unfit::CutOff));
        assert_eq!(look_at(b"a,b\n1,2\n", "x.CSV"), Ok("text/csv"));
        assert_eq!(look_at("Übung\n".as_bytes(), "x.md"), Ok("text/markdown"));
        assert_eq!(look_at(b"words", "x.pdf"), Ok("text/plain"));
    }

    #[test]
    fn what_a_browser_might_run_is_none_of_them() {
        for bytes in [
            &b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..],
            b"\xef\xbb\xbf \n<!DOCTYPE html>",
            b"<?xml version='1.0'?>",
            b"  <script>alert(1)</script>",
            b"words, then <SCRIPT src=x>",
            b"PK\x03\x04 a zip",
            b"\x7fELF\x02\x01\x01",
            b"MZ\x90\0",
            b"",
            b"\0\0\0",
            b"caf\xe9",
            b"words \x1b]0;title\x07",
        ] {
            assert_eq!(look_at(bytes, "x.txt"), Err(Unfit::Unknown), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_is_read_to_its_end() {
        let long = "ü".repeat(100_000);
        assert_eq!(look_at(long.as_bytes(), "x"), Ok("text/plain"));
        assert_eq!(look_at(format!("x{long}").as_bytes(), "x"), Ok("text/plain"));
        assert_eq!(look_at(&[long.as_bytes(), b"\0"].concat(), "x"), Err(Unfit::Unknown));
        assert_eq!(look_at(&long.as_bytes()[..long.len() - 1], "x"), Err(Unfit::Unknown));
    }
}
