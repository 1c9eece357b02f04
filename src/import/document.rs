//! One file of an import: CommonMark, with or without front matter, read and checked. Pure.

/// The longest text, as over REST.
pub(super) const MAX_TEXT: usize = 256 * 1024;
/// The longest file: a text and what stands before it.
pub(super) const MAX_FILE: usize = MAX_TEXT + 16 * 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) subject: Option<String>,
    pub(super) grade_lowest: Option<i16>,
    pub(super) grade_highest: Option<i16>,
    pub(super) language: String,
    pub(super) source: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) body: String,
}

/// `name`: the file's, for a document that says no title. `Err`: why it is not taken.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Document, String> {
    if bytes.len() > MAX_FILE {
        return Err(format!("longer than {} KiB", MAX_FILE / 1024));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (front, body) = apart(&text)?;
    let mut document = Document { language: "en".into(), ..Document::default() };
    for (key, value) in front {
        take(&mut document, &key, value)?;
    }
    let mut body = body.trim_start_matches('\n');
    // A heading that only says the title stands above the text already.
    if let Some((heading, rest)) = heading(body)
        && (document.title.is_empty() || document.title == heading)
    {
        document.title = heading.to_owned();
        body = rest.trim_start_matches('\n');
    }
    if document.title.is_empty() {
        document.title = stem(name);
    }
    body.clone_into(&mut document.body);
    check(&document)?;
    check_text(&document.body)?;
    Ok(document)
}

/// What is said of a file that says nothing of itself: its name is its title.
pub(super) fn of_file(name: &str, language: &str) -> Result<Document, String> {
    let document = Document { title: stem(name), language: language.to_owned(), ..Document::default() };
    check(&document)?;
    Ok(document)
}

/// Keys and values.
type Front = Vec<(String, String)>;

/// The lines between the first `---` and the next, as keys and values, and the text below.
fn apart(text: &str) -> Result<(Front, &str), String> {
    let Some(rest) = text.strip_prefix("---\n") else { return Ok((Vec::new(), text)) };
    let end = rest.match_indices("\n---").map(|(at, _)| at + 1).find(|at| is_line(&rest[*at..]));
    let end = if is_line(rest) { Some(0) } else { end };
    // A text may begin with a rule across the page.
    let Some(end) = end else { return Ok((Vec::new(), text)) };
    let mut front = Vec::new();
    for line in rest[..end].lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        // What belongs to the key above (a list, say) is nothing that is taken.
        if line.starts_with([' ', '\t', '-']) {
            continue;
        }
        let (key, value) =
            line.split_once(':').ok_or_else(|| "its front matter is no list of `key: value`".to_owned())?;
        front.push((key.trim().to_ascii_lowercase(), unquoted(value.trim()).to_owned()));
    }
    let body = rest[end..].split_once('\n').map_or("", |(_, body)| body);
    Ok((front, body))
}

/// Three hyphens and nothing else.
fn is_line(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end() == "---")
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn take(document: &mut Document, key: &str, value: String) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    match key {
        "title" => document.title = value,
        "subject" => document.subject = Some(value),
        "language" | "lang" => document.language = value,
        "source" => document.source = Some(value),
        "licence" | "license" => document.licence = Some(value),
        "grade" | "grades" => {
            let (lowest, highest) = value.split_once(['-', '\u{2013}']).unwrap_or((&value, &value));
            document.grade_lowest = Some(grade(lowest)?);
            document.grade_highest = Some(grade(highest)?);
        }
        "grade_lowest" => document.grade_lowest = Some(grade(&value)?),
        "grade_highest" => document.grade_highest = Some(grade(&value)?),
        // Other programs have keys of their own.
        _ => {}
    }
    Ok(())
}

fn grade(text: &str) -> Result<i16, String> {
    let grade = text.trim().parse().ok().filter(|grade| (0..=20).contains(grade));
    grade.ok_or_else(|| format!("{:?} is no school year from 0 to 20", text.trim()))
}

/// The first line, if it is the highest heading, and the text below.
fn heading(body: &str) -> Option<(&str, &str)> {
    let (line, rest) = body.split_once('\n').unwrap_or((body, ""));
    let title = line.strip_prefix("# ")?.trim().trim_end_matches('#').trim_end();
    (!title.is_empty()).then_some((title, rest))
}

/// `unit-1/adding_fractions.md` is about "adding fractions".
fn stem(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.replace(['_', '-'], " ").trim().to_owned()
}

/// The rules of `POST /content`.
fn check(document: &Document) -> Result<(), String> {
    let line = |what: &str, text: &str, most: usize| {
        let hides =
            |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match text.chars().count() {
            _ if text.contains(hides) => Err(format!("its {what} holds a control character")),
            length if length > most => Err(format!("its {what} is longer than {most} characters")),
            _ => Ok(()),
        }
    };
    if document.title.trim().is_empty() {
        return Err("it has no title".into());
    }
    line("title", &document.title, 200)?;
    for (what, text, most) in [
        ("subject", &document.subject, 100),
        ("source", &document.source, 500),
        ("licence", &document.licence, 100),
    ] {
        line(what, text.as_deref().unwrap_or_default(), most)?;
    }
    let tag = |part: &str| matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut parts = document.language.split('-');
    let primary = parts.next().unwrap_or_default();
    let known = matches!(primary.len(), 2 | 3) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    if !known || document.language.len() > 20 || !parts.all(tag) {
        return Err(format!("{:?} is no language such as `en` or `de-AT`", document.language));
    }
    if document.grade_lowest.zip(document.grade_highest).is_some_and(|(lowest, highest)| lowest > highest) {
        return Err("its lowest school year is above the highest".into());
    }
    Ok(())
}

fn check_text(body: &str) -> Result<(), String> {
    match body {
        body if body.trim().is_empty() => Err("it has no text".into()),
        body if body.contains('\0') => Err("it holds a NUL character".into()),
        body if body.len() > MAX_TEXT => Err(format!("its text is longer than {} KiB", MAX_TEXT / 1024)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_says_what_it_is() {
        let text = "---\ntitle: \"Adding: fractions\"\nsubject: Maths\r\ngrades: 5-6\nlang: en-GB\nlicense: CC BY 4.0\n\
                    tags:\n  - x\n# a comment\nsource: 'Our own'\n---\n\n# Adding: fractions\n\nText.\n\n---\n\nMore.\n";
        let wanted = Document {
            title: "Adding: fractions".into(),
            subject: Some("Maths".into()),
            grade_lowest: Some(5),
            grade_highest: Some(6),
            language: "en-GB".into(),
            source: Some("Our own".into()),
            licence: Some("CC BY 4.0".into()),
            body: "Text.\n\n---\n\nMore.\n".into(),
        };
        assert_eq!(read("x.md", text.as_bytes()), Ok(wanted));
    }

    #[test]
    fn a_title_is_found_without() {
        let title = |name: &str, text: &str| read(name, text.as_bytes()).map(|read| (read.title, read.body));
        let is = |title: &str, body: &str| Ok((title.to_owned(), body.to_owned()));
        assert_eq!(title("x.md", "\u{feff}# Halves #\nText."), is("Halves", "Text."));
        assert_eq!(title("unit-1/adding_two-thirds.md", "Text."), is("adding two thirds", "Text."));
        assert_eq!(title("x.md", "---\ntitle: One\n---\n# Other\nText."), is("One", "# Other\nText."));
        // A rule across the page is no front matter.
        assert_eq!(title("x.md", "---\nText."), is("x", "---\nText."));
        assert_eq!(title("x.md", "---\n---\nText."), is("x", "Text."));
    }

    #[test]
    fn what_is_not_taken_says_why() {
        for (bytes, why) in [
            (&b"\xff\xfe"[..], "UTF-8"),
            (b"", "no text"),
            (b"# Only a title\n", "no text"),
            (b"---\ntitle One\n---\nText.", "front matter"),
            (b"---\ngrade: high\n---\nText.", "school year"),
            (b"---\ngrades: 7-5\n---\nText.", "above"),
            (b"---\nlang: english!\n---\nText.", "language"),
            (b"a\0b", "NUL"),
        ] {
            let told = read("x.md", bytes).expect_err(why);
            assert!(told.contains(why), "{told}");
        }
        assert!(read("x.md", &vec![b'x'; MAX_FILE + 1]).is_err());
        assert!(read("x.md", format!("---\ntitle: {}\n---\nx", "x".repeat(201)).as_bytes()).is_err());
    }
}
