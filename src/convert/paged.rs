//! A document's words as pages. What has none of its own is cut into parts between its paragraphs.

/// As many pages as are read of a document.
pub(super) const PAGES: usize = 2000;
/// Between two pages, as printers have it.
pub(super) const PAGE: char = '\u{c}';

/// A part has about so many characters, and no paragraph of it so many more.
const PART: usize = 3000;
const LONGEST: usize = 2 * PART;

/// The words of a document, page by page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paged {
    pub pages: Vec<String>,
    /// There were more.
    pub cut: bool,
}

impl Paged {
    /// `paged`: the text has pages of its own, parted by form feeds.
    pub fn of(text: &str, paged: bool, cut: bool) -> Paged {
        let mut pages: Vec<String> = match paged {
            true => text.split(PAGE).map(clean).collect(),
            false => parts(text),
        };
        let cut = cut || pages.len() > PAGES;
        pages.truncate(PAGES);
        Paged { pages, cut }
    }
}

/// Without what no row can hold.
fn clean(text: &str) -> String {
    text.trim_end().chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect()
}

fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut length) = (Vec::new(), String::new(), 0);
    for line in text.lines() {
        for piece in pieces(line.trim_end()) {
            let more = piece.chars().count();
            if length > 0 && length + more > PART {
                parts.push(clean(&std::mem::take(&mut part)));
                length = 0;
            }
            part.push_str(piece);
            part.push('\n');
            length += more + 1;
        }
    }
    parts.push(clean(&part));
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// A line, cut behind a word where it is as long as no paragraph is.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some((most, _)) = text.char_indices().nth(LONGEST) else { return Some(text) };
        let at = text[..most].rfind(char::is_whitespace).filter(|at| *at > 0).unwrap_or(most);
        let (piece, left) = text.split_at(at);
        rest = Some(left.trim_start());
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_documents_own_where_it_has_some() {
        let read = Paged::of("one\n\u{c}\u{c}three\u{1}\n", true, false);
        assert_eq!(read, Paged { pages: vec!["one".into(), String::new(), "three".into()], cut: false });
        let many = "x\u{c}".repeat(PAGES + 5);
        let read = Paged::of(&many, true, false);
        assert!(read.pages.len() == PAGES && read.cut);
    }

    #[test]
    fn a_text_is_cut_between_its_paragraphs() {
        let paragraph = |word: &str| format!("{} end.\n\n", word.repeat(100));
        let text: String =
            ["eins ", "zwei ", "drei ", "vier ", "fünf ", "acht ", "neun "].map(paragraph).concat();
        let read = Paged::of(&text, false, false);
        assert_eq!(read.pages.len(), 2, "{read:?}");
        for part in &read.pages {
            assert!(part.ends_with("end.") && part.chars().count() <= PART, "{part}");
        }
        assert_eq!(Paged::of("", false, false).pages, Vec::<String>::new());
        assert_eq!(Paged::of("a\nb", false, true), Paged { pages: vec!["a\nb".into()], cut: true });
    }

    #[test]
    fn a_line_without_end_is_cut_behind_a_word_and_loses_none() {
        let line = "wörter ".repeat(5000);
        let read = Paged::of(&line, false, false);
        assert!(read.pages.iter().all(|part| part.chars().count() <= LONGEST && part.ends_with("wörter")));
        let words: usize = read.pages.iter().map(|part| part.split_whitespace().count()).sum();
        assert_eq!(words, 5000);
        assert_eq!(Paged::of(&"x".repeat(LONGEST * 2 + 1), false, false).pages.len(), 3);
    }
}
