//! The words of documents: read in the background, in a child process, and kept beside the file.

use std::io::{Cursor, Write as _};

use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Desk, Place, upload};
use crate::support::paper::{book, pdf};
use crate::support::socket::PATIENCE;

fn odt(content: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("mimetype", stored).unwrap();
    archive.write_all(b"application/vnd.oasis.opendocument.text").unwrap();
    archive.start_file("content.xml", SimpleFileOptions::default()).unwrap();
    archive.write_all(content).unwrap();
    archive.finish().unwrap().into_inner()
}

/// One with so many pages, each with its number.
fn pages(count: usize) -> Vec<u8> {
    book(&(1..=count).map(|page| format!("This is page {page} of all.")).collect::<Vec<_>>())
}

impl Desk {
    /// Uploads a document and waits for what becomes of its words: the file, and its task.
    async fn document(&self, name: &str, bytes: &[u8]) -> (Value, Value) {
        let file = upload(&self.ada, name, bytes).await.ok(201);
        let id = file["id"].as_str().unwrap().to_owned();
        let over = async {
            loop {
                let task = self.ada.get(&format!("/tasks/{id}")).await.ok(200);
                assert_eq!(task["kind"], "document_parse");
                if task["status"] == "succeeded" || task["status"] == "failed" {
                    return task;
                }
                // A worker's end cannot be awaited from here, only asked for.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let task =
            tokio::time::timeout(PATIENCE * 3, over).await.unwrap_or_else(|_| panic!("{name} never ends"));
        (self.ada.get(&format!("/files/{id}")).await.ok(200), task)
    }

    /// The words beside a file.
    async fn words(&self, file: &Value) -> String {
        let id = file["id"].as_str().unwrap().parse().unwrap();
        let app = self.app.server().app();
        let row = app.store.file(self.ada.user_id.parse().unwrap(), id).await.unwrap().unwrap();
        let words = app.files.get_all(&row.text_key.expect("it has words"), 4 << 20).await.unwrap();
        String::from_utf8(words.to_vec()).unwrap()
    }
}

async fn desk(place: Place) -> Desk {
    Desk::with(place, |settings| settings.worker.on = true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_documents_words_are_read_and_go_with_it() {
    for place in [Place::Folder, Place::Bucket] {
        let desk = desk(place).await;
        let content = odt(b"<o:text><text:h>Slopes</text:h><text:p>Rise &amp; run.</text:p></o:text>");
        let (file, task) = desk.document("lesson.odt", &content).await;
        assert_eq!(task["status"], "succeeded", "{task}");
        assert_eq!(task["result"]["bytes"], 19);
        assert_eq!(desk.words(&file).await, "Slopes\nRise & run.\n");
        let (long, task) = desk.document("book.pdf", &pages(100)).await;
        assert_eq!((&task["status"], &long["pages"]), (&"succeeded".into(), &100.into()), "{task}");
        let words = desk.words(&long).await;
        let read: Vec<&str> = words.split('\u{c}').map(str::trim).collect();
        assert_eq!(
            (read.len(), read[0], read[99]),
            (100, "This is page 1 of all.", "This is page 100 of all.")
        );
        assert!(desk.spooled().is_empty());
        for file in [file, long] {
            desk.ada.delete(&format!("/files/{}", file["id"].as_str().unwrap())).await.ok(204);
        }
        desk.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_needs_no_reading() {
    let desk = desk(Place::Folder).await;
    let file = upload(&desk.ada, "a.txt", b"Some words").await.ok(201);
    desk.ada.get(&format!("/tasks/{}", file["id"].as_str().unwrap())).await.assert_problem(404, "not_found");
}

/// What loops, explodes or breaks takes its child with it and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_document_ends_and_harms_nobody() {
    let desk = desk(Place::Folder).await;
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned();
    let catalogue = "<< /Type /Catalog /Pages 2 0 R >>".to_owned();
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>";
    let stream = |text: &str| format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len());
    let form = "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >> /Length 5 >>\nstream\n/X Do\nendstream";
    let tree = |kids: &str| format!("<< /Type /Pages /Kids [{kids}] /Count 1 >>");
    let hostile: [(&str, Vec<u8>); 6] = [
        ("a tree of pages that holds itself", pdf(&[catalogue.clone(), tree("2 0 R"), font.clone()])),
        (
            "a form that draws itself",
            pdf(&[catalogue.clone(), tree("3 0 R"), page.into(), stream("/X Do"), form.into()]),
        ),
        (
            "arrays in arrays",
            pdf(&[catalogue.clone(), tree("3 0 R"), page.into(), stream(&"[".repeat(500_000)), font.clone()]),
        ),
        (
            "dictionaries in dictionaries",
            pdf(&[catalogue, format!("{}{}", "<</A".repeat(200_000), ">>".repeat(200_000)), font]),
        ),
        ("an archive that unpacks without end", odt(&vec![b' '; 65 << 20])),
        ("no XML", odt(b"<text:p>\xff</text:h>")),
    ];
    for (what, bytes) in &hostile {
        let name = if bytes.starts_with(b"PK") { "a.odt" } else { "a.pdf" };
        let (_, task) = desk.document(name, bytes).await;
        println!("{what}: {task}");
        if name == "a.odt" {
            assert_eq!(task["status"], "failed", "{what}: {task}");
            assert_eq!(task["attempts"], 1, "{what}: it would be the same again");
        }
    }
    assert!(desk.spooled().is_empty());
    let (_, task) = desk.document("good.pdf", &pages(1)).await;
    assert_eq!(task["status"], "succeeded", "{task}");
}
