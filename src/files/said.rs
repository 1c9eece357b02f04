//! What a storage says when it fails: what of it may be read in a log, and whether it is full.

use std::error::Error as _;
use std::io;

/// Of what a storage says: the parts of keys and tokens that tell anything are longer.
const LONGEST_WORD: usize = 24;

/// What a storage said, for the log: its words, but no key of a blob, no token and nothing else that is as long.
pub(super) fn shortened(said: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut shown = String::new();
    for word in said.split_inclusive(|c| !is_plain(c)) {
        let (name, end) = word.split_at(word.trim_end_matches(|c| !is_plain(c)).len());
        shown.push_str(if name.len() > LONGEST_WORD { "…" } else { name });
        shown.push_str(end);
    }
    shown.chars().take(200).collect()
}

/// A disk or a quota of the file system; a bucket says it with a status of its own.
pub(super) fn is_full(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(io, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        if error.to_string().contains("507 Insufficient Storage") {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_storage_said_tells_no_key_and_no_token() {
        let key = "0192f0c1-7d2e-7aaa-8bbb-0123456789ab/5f1c0b7e9d3a4c2b8e6f7a9b0c1d2e3f.preview";
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkncyJ9MTIzNDU2.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";
        let said =
            format!("Error performing PUT http://s3/school/files/{key} - 403 SignatureDoesNotMatch {token}");
        let shown = shortened(&said);
        assert!(shown.contains("files/…/….preview - 403 SignatureDoesNotMatch"), "{shown}");
        for part in key.split(['/', '.']).take(2).chain(token.split('.').skip(1)) {
            assert!(!shown.contains(part), "{shown}");
        }
        assert_eq!(shortened("über \u{1f600} x"), "über \u{1f600} x");
        assert!(shortened(&"words ".repeat(100)).chars().count() <= 200);
    }
}
