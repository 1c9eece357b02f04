//! The words of a document, page by page: what a model and a search can read of it.

use std::io::{Cursor, Read, Write};

use pdf_oxide::PdfDocument;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::TextReport;
use super::child::{Fault, Stop};
use super::paged::{PAGE, PAGES};

/// A whole document is read at once.
const INPUT: u64 = 128 << 20;
/// Of words; what is beyond is left out, and said to be. A PDF's are searched, the others' are given to a model.
const PDF_TEXT: usize = 7 << 20;
const TEXT: usize = 2 << 20;
/// Of XML, unpacked, in all parts that are read: more is no document that somebody wrote.
const UNPACKED: u64 = 64 << 20;
const PARTS: usize = 4096;

/// Is told how many pages are read, of how many.
type Tell<'a> = &'a mut dyn FnMut(usize, usize);

/// Words as they come, up to a length.
struct Words {
    most: usize,
    text: String,
    pages: usize,
    cut: bool,
}

impl Words {
    fn up_to(most: usize) -> Words {
        Words { most, text: String::new(), pages: 0, cut: false }
    }

    fn say(&mut self, words: &str) {
        // What no row and no page can hold.
        for letter in words.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')) {
            if self.text.len() + letter.len_utf8() > self.most {
                self.cut = true;
                return;
            }
            self.text.push(letter);
        }
    }

    /// One line's end, however many things end with it.
    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(['\n', PAGE]) {
            self.say("\n");
        }
    }

    /// False: no more are read.
    fn page(&mut self) -> bool {
        if self.cut || self.pages == PAGES {
            self.cut = true;
            return false;
        }
        if self.pages > 0 {
            self.text.push(PAGE);
        }
        self.pages += 1;
        true
    }
}

/// Word, PowerPoint, OpenDocument text: XML in a zip.
pub(super) fn office(from: impl Read, into: impl Write, told: Tell<'_>) -> Result<(), Stop> {
    let mut archive = ZipArchive::new(Cursor::new(whole(from)?)).map_err(|_| Fault::Broken)?;
    if archive.len() > PARTS {
        return Err(Fault::TooLarge.into());
    }
    let (mut words, mut left) = (Words::up_to(TEXT), UNPACKED);
    let mut paged = false;
    if archive.index_for_name("word/document.xml").is_some() {
        words.page();
        read_part(&part(&mut archive, "word/document.xml", &mut left)?, &OFFICE_OPEN, &mut words)?;
    } else if archive.index_for_name("ppt/presentation.xml").is_some() {
        paged = true;
        let slides = slides(&archive);
        for slide in &slides {
            if !words.page() {
                break;
            }
            read_part(&part(&mut archive, slide, &mut left)?, &OFFICE_OPEN, &mut words)?;
            told(words.pages, slides.len().min(PAGES));
        }
    } else if archive.index_for_name("content.xml").is_some() {
        words.page();
        read_part(&part(&mut archive, "content.xml", &mut left)?, &OPEN_DOCUMENT, &mut words)?;
    } else {
        return Err(Fault::Broken.into());
    }
    tell(&words, paged, into)
}

/// A PDF; one that is only pictures has pages without words. A page that cannot be read is an empty one.
pub(super) fn pdf(from: impl Read, into: impl Write, told: Tell<'_>) -> Result<(), Stop> {
    let document = PdfDocument::from_bytes(whole(from)?).map_err(|_| Fault::Broken)?;
    let pages = document.page_count().map_err(|_| Fault::Broken)?;
    let mut words = Words::up_to(PDF_TEXT);
    for page in 0..pages {
        if !words.page() {
            break;
        }
        words.say(&document.extract_text(page).unwrap_or_default());
        words.line();
        told(words.pages, pages.min(PAGES));
    }
    // Also those that were not read.
    words.pages = pages;
    tell(&words, true, into)
}

fn whole(from: impl Read) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    from.take(INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT {
        return Err(Fault::TooLarge.into());
    }
    Ok(bytes)
}

fn tell(words: &Words, paged: bool, mut into: impl Write) -> Result<(), Stop> {
    let pages = if paged { i32::try_from(words.pages).ok() } else { None };
    let report = TextReport { pages, bytes: words.text.len() as u64, cut: words.cut };
    writeln!(into, "{}", serde_json::to_string(&report).map_err(std::io::Error::from)?)?;
    into.write_all(words.text.as_bytes())?;
    Ok(into.flush()?)
}

/// In the order of their numbers, which is nearly always the order in which they are shown.
fn slides<R: Read + std::io::Seek>(archive: &ZipArchive<R>) -> Vec<String> {
    let number = |name: &str| -> Option<u32> {
        name.strip_prefix("ppt/slides/slide")?.strip_suffix(".xml")?.parse().ok()
    };
    let mut slides: Vec<(u32, String)> = archive
        .file_names()
        .filter_map(Result::ok)
        .filter_map(|name| Some((number(&name)?, name.into_owned())))
        .collect();
    slides.sort();
    slides.into_iter().map(|(_, name)| name).collect()
}

/// Unpacked, as far as `left` lets it, whatever the archive says of its size.
fn part(archive: &mut ZipArchive<Cursor<Vec<u8>>>, name: &str, left: &mut u64) -> Result<Vec<u8>, Fault> {
    let file = archive.by_name(name).map_err(|_| Fault::Broken)?;
    let mut bytes = Vec::new();
    file.take(*left + 1).read_to_end(&mut bytes).map_err(|_| Fault::Broken)?;
    *left = left.checked_sub(bytes.len() as u64).ok_or(Fault::TooLarge)?;
    Ok(bytes)
}

/// What an XML's elements mean, by their names without a namespace.
struct Dialect {
    /// Only what stands in these is said.
    within: &'static [&'static [u8]],
    /// And nothing in these.
    without: &'static [&'static [u8]],
    /// With each of these a line ends.
    lines: &'static [&'static [u8]],
    breaks: &'static [&'static [u8]],
    tabs: &'static [&'static [u8]],
    spaces: &'static [&'static [u8]],
}

const OFFICE_OPEN: Dialect = Dialect {
    within: &[b"t"],
    without: &[],
    lines: &[b"p"],
    breaks: &[b"br", b"cr"],
    tabs: &[b"tab"],
    spaces: &[],
};
const OPEN_DOCUMENT: Dialect = Dialect {
    within: &[b"p", b"h"],
    without: &[b"tracked-changes", b"annotation"],
    lines: &[b"p", b"h"],
    breaks: &[b"line-break"],
    tabs: &[b"tab"],
    spaces: &[b"s"],
};

/// Reads what is said in a part. Nothing is followed, fetched or expanded but XML's own five entities.
fn read_part(xml: &[u8], dialect: &Dialect, words: &mut Words) -> Result<(), Fault> {
    let mut reader = Reader::from_reader(xml);
    let (mut within, mut without) = (0_u32, 0_u32);
    while !words.cut {
        let event = reader.read_event().map_err(|_| Fault::Broken)?;
        let heard = within > 0 && without == 0;
        match event {
            Event::Start(start) => {
                within += u32::from(is(&start, dialect.within));
                without += u32::from(is(&start, dialect.without));
                // Definitions of tab stops are no tabs.
                space(&start, dialect, within == 0 && dialect.within == [b"t"], words);
            }
            Event::Empty(start) => space(&start, dialect, heard || dialect.within == [b"t"], words),
            Event::End(end) => {
                let name = end.local_name();
                within = within.saturating_sub(u32::from(dialect.within.contains(&name.as_ref())));
                without = without.saturating_sub(u32::from(dialect.without.contains(&name.as_ref())));
                if without == 0 && dialect.lines.contains(&name.as_ref()) {
                    words.line();
                }
            }
            Event::Text(text) if heard => words.say(&text.decode().map_err(|_| Fault::Broken)?),
            Event::CData(text) if heard => words.say(&text.decode().map_err(|_| Fault::Broken)?),
            Event::GeneralRef(name) if heard => {
                if let Ok(Some(letter)) = name.resolve_char_ref() {
                    words.say(letter.encode_utf8(&mut [0; 4]));
                } else if let Ok(name) = name.decode() {
                    words.say(resolve_predefined_entity(&name).unwrap_or_default());
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

fn is(start: &BytesStart<'_>, names: &[&[u8]]) -> bool {
    names.contains(&start.local_name().as_ref())
}

fn space(start: &BytesStart<'_>, dialect: &Dialect, heard: bool, words: &mut Words) {
    if !heard {
        return;
    }
    if is(start, dialect.breaks) {
        words.line();
    } else if is(start, dialect.tabs) && start.attributes().next().is_none() {
        words.say("\t");
    } else if is(start, dialect.spaces) {
        words.say(" ");
    }
}

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn told(document: &[u8]) -> Result<(TextReport, String), Stop> {
        let mut out = Vec::new();
        office(document, &mut out, &mut |_, _| {})?;
        let at = out.iter().position(|byte| *byte == b'\n').unwrap();
        let report: TextReport = serde_json::from_slice(&out[..at]).unwrap();
        let text = String::from_utf8(out.split_off(at + 1)).unwrap();
        assert_eq!(report.bytes, text.len() as u64);
        Ok((report, text))
    }

    fn fault(document: &[u8]) -> Fault {
        match told(document) {
            Err(Stop::Fault(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_word_document_is_read_by_paragraphs_and_without_what_was_deleted() {
        let xml = r#"<?xml version="1.0"?><w:document xmlns:w="w"><w:body>
            <w:p><w:pPr><w:tabs><w:tab w:val="left" w:pos="1"/></w:tabs></w:pPr>
                <w:r><w:t>Slope is</w:t><w:tab/><w:t xml:space="preserve"> rise &amp; run &#x221a;</w:t></w:r></w:p>
            <w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:t>Two</w:t><w:br/><w:t>lines</w:t></w:r></w:p>
            </w:body></w:document>"#;
        let (report, text) = told(&zipped(&[("word/document.xml", xml.as_bytes())])).unwrap();
        assert_eq!(text, "Slope is\t rise & run √\nTwo\nlines\n");
        assert_eq!((report.pages, report.cut), (None, false));
    }

    #[test]
    fn slides_are_pages_in_the_order_of_their_numbers() {
        let slide = |text: &str| format!("<p:sld><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>");
        let (one, two, ten) = (slide("One"), slide("Two"), slide("Ten"));
        let parts = [
            ("ppt/presentation.xml", &b"<p/>"[..]),
            ("ppt/slides/slide10.xml", ten.as_bytes()),
            ("ppt/slides/slide2.xml", two.as_bytes()),
            ("ppt/slides/slide1.xml", one.as_bytes()),
            ("ppt/slides/../../slide3.xml", one.as_bytes()),
        ];
        let (report, text) = told(&zipped(&parts)).unwrap();
        assert_eq!(text, "One\n\u{c}Two\n\u{c}Ten\n");
        assert_eq!(report.pages, Some(3));
    }

    #[test]
    fn an_open_document_is_read_without_its_annotations() {
        let xml = r#"<office:document-content><office:body><office:text>
            <text:tracked-changes><text:p>old</text:p></text:tracked-changes>
            <text:h>Head</text:h><text:p>a<text:s/>b<text:tab/>c<text:line-break/><text:span>d</text:span>
<office:annotation><text:p>whispered</text:p></office:annotation></text:p></office:text></office:body></office:document-content>"#;
        let (_, text) = told(&zipped(&[("content.xml", xml.as_bytes())])).unwrap();
        assert_eq!(text, "Head\na b\tc\nd\n");
    }

    #[test]
    fn what_unpacks_without_end_is_too_large() {
        let bomb = vec![b' '; usize::try_from(UNPACKED).unwrap() + 1];
        assert_eq!(fault(&zipped(&[("word/document.xml", &bomb)])), Fault::TooLarge);
        let many: Vec<String> = (0..=PARTS).map(|part| format!("part{part}")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(fault(&zipped(&many)), Fault::TooLarge);
    }

    #[test]
    fn entities_are_not_expanded_and_depth_costs_nothing() {
        let laughs = r#"<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>
            <x><w:p><w:t>&b;&f;end</w:t></w:p></x>"#;
        let (_, text) = told(&zipped(&[("word/document.xml", laughs.as_bytes())])).unwrap();
        assert_eq!(text, "end\n");
        let deep = format!("{}<w:t>deep</w:t>{}", "<w:p>".repeat(200_000), "</w:p>".repeat(200_000));
        let (_, text) = told(&zipped(&[("word/document.xml", deep.as_bytes())])).unwrap();
        assert_eq!(text, "deep\n");
    }

    #[test]
    fn what_is_no_document_is_broken() {
        let half = zipped(&[("word/document.xml", b"<w:p><w:t>x</w:t></w:p>")]);
        for bad in [&b""[..], b"PK\x03\x04", b"no", &half[..half.len() / 2]] {
            assert_eq!(fault(bad), Fault::Broken);
        }
        assert_eq!(fault(&zipped(&[("other.xml", b"<x/>")])), Fault::Broken);
        assert_eq!(fault(&zipped(&[("word/document.xml", b"<w:p></w:t>")])), Fault::Broken);
        assert_eq!(fault(&zipped(&[("content.xml", b"<text:p>\xff\xfe</text:p>")])), Fault::Broken);
    }

    /// A PDF of these objects, numbered from 1; the first is its catalogue.
    fn pdf_of(objects: &[String]) -> Vec<u8> {
        let (mut out, mut places) = (b"%PDF-1.4\n".to_vec(), Vec::new());
        for (number, object) in objects.iter().enumerate() {
            places.push(out.len());
            out.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
        }
        let xref = out.len();
        out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
        places.iter().for_each(|at| out.extend(format!("{at:010} 00000 n \n").bytes()));
        let size = objects.len() + 1;
        out.extend(format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n").bytes());
        out
    }

    /// One with a page for each of these.
    fn pages(texts: &[&str]) -> Vec<u8> {
        let kids: Vec<String> = (0..texts.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
        let mut objects = vec![
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), texts.len()),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        ];
        for (page, text) in texts.iter().enumerate() {
            let content = format!("BT /F1 24 Tf 72 720 Td ({text}) Tj ET");
            objects.push(format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>",
                5 + 2 * page
            ));
            objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
        }
        pdf_of(&objects)
    }

    fn pdf_told(document: &[u8]) -> Result<(TextReport, String), Stop> {
        let (mut out, mut told) = (Vec::new(), Vec::new());
        pdf(document, &mut out, &mut |done, of| told.push((done, of)))?;
        let pages = told.len();
        assert!(told.iter().enumerate().all(|(at, told)| *told == (at + 1, pages)), "{told:?}");
        let at = out.iter().position(|byte| *byte == b'\n').unwrap();
        let report = serde_json::from_slice(&out[..at]).unwrap();
        Ok((report, String::from_utf8(out.split_off(at + 1)).unwrap()))
    }

    #[test]
    fn a_pdf_is_read_page_by_page() {
        let (report, text) = pdf_told(&pages(&["Slope of a line", "Rise and run"])).unwrap();
        let read: Vec<&str> = text.split(PAGE).map(str::trim).collect();
        assert_eq!(
            (report.pages, report.cut, read),
            (Some(2), false, vec!["Slope of a line", "Rise and run"])
        );
    }

    #[test]
    fn what_is_no_pdf_is_broken_and_a_page_without_words_is_a_page() {
        for bad in [&b""[..], b"no", b"%PDF-1.7\n%%EOF"] {
            assert!(matches!(pdf_told(bad), Err(Stop::Fault(Fault::Broken))), "{bad:?}");
        }
        let (report, text) = pdf_told(&pages(&["", "words"])).unwrap();
        assert_eq!((report.pages, text.as_str()), (Some(2), "\u{c}words\n"));
    }

    #[test]
    fn too_many_words_are_cut_and_said_to_be() {
        let long = format!("<w:p><w:t>{}</w:t></w:p>", "ü".repeat(TEXT));
        let (report, text) = told(&zipped(&[("word/document.xml", long.as_bytes())])).unwrap();
        assert!(report.cut && text.len() <= TEXT && text.len() > TEXT - 4);
    }
}
