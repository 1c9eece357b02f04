//! `fynq content import`: the real program on a folder and on an archive.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::app::Scratch;
use crate::support::client::Client;
use crate::support::paper::{book, hundred};
use crate::support::school::{School, listed};

fn import(school: &School, dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fynq"))
        .args(["content", "import"])
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("DATABASE_URL", school.app.database.url())
        .env("FYNQ_DATA_DIR", school.app.data_dir())
        .env("RUST_LOG", "warn")
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What it printed, and its exit code.
async fn imported(school: &School, dir: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = tokio::task::block_in_place(|| import(school, dir, arguments));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (said.concat(), output.status.code())
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn titles(who: &Client) -> Vec<String> {
    listed(who, "/content?limit=100", "title").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_imported_once_however_often_it_is_asked() {
    let school = School::start().await;
    let dir = Scratch::new();
    write(
        &dir.0,
        "lib/halves.md",
        "---\nsubject: Maths\ngrades: 5-6\nlanguage: en\n---\n# Halves\n\n$\\frac{1}{2}$\n",
    );
    write(&dir.0, "lib/deep/er/thirds.markdown", "# Thirds\nThree of them.");
    write(&dir.0, "lib/again.md", "# Thirds\nThree of them.");
    write(&dir.0, "lib/.git/config.md", "# Not this");
    write(&dir.0, "lib/picture.png", [0x89, b'P', b'N', b'G']);
    write(&dir.0, "lib/bad.md", [0xff, 0xfe, 0x00]);
    let tia = school.tia.email.as_str();
    let (told, code) = imported(&school, &dir.0, &["lib", "--as", tia, "--dry-run"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("would be imported") && told.contains("2 rejected"), "{told}");
    assert!(titles(&school.tia).await.is_empty(), "a dry run changes nothing");

    let (told, code) = imported(&school, &dir.0, &["lib", "--as", tia, "--publish"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("2 of 5 files imported, 1 there already, 2 rejected"), "{told}");
    assert_eq!(titles(&school.ada).await, ["Halves", "Thirds"]);
    assert!(titles(&school.eve).await.is_empty(), "nobody of another school sees it");
    let rejects = std::fs::read_to_string(dir.0.join("content-rejects.jsonl")).unwrap();
    let mut rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rejects.sort_by_key(|reject| reject["file"].to_string());
    assert_eq!(rejects[0], json!({"file": "bad.md", "reason": "not UTF-8"}));
    assert_eq!(rejects[1]["file"], "picture.png");
    let page = school.tia.get("/content?limit=100").await.ok(200);
    let halves = page["items"].as_array().unwrap().iter().find(|item| item["title"] == "Halves").unwrap();
    assert_eq!(
        (&halves["subject"], &halves["grade_lowest"], &halves["state"], &halves["author"]["id"]),
        (&json!("Maths"), &json!(5), &json!("published"), &json!(school.tia.user_id))
    );

    // Once more, by somebody else and with one more file: only that one is new, and what was changed stays.
    write(&dir.0, "lib/quarters.md", "# Quarters\nFour of them.");
    let root = school.root.email.as_str();
    let (told, _) = imported(&school, &dir.0, &["lib", "--as", root]).await;
    assert!(told.contains("1 of 6 files imported, 3 there already, 2 rejected"), "{told}");
    assert_eq!(titles(&school.root).await, ["Halves", "Quarters", "Thirds"]);
    assert_eq!(titles(&school.ada).await, ["Halves", "Thirds"], "without --publish it is a draft");
    let sql = "SELECT count(*) FROM audit WHERE event = 'content_created'";
    assert_eq!(school.app.count(sql).await, 3);
}

/// A PDF becomes content with the file, and its pages are found at once: no worker runs here.
#[tokio::test(flavor = "multi_thread")]
async fn documents_are_attached_and_read_page_by_page() {
    let school = School::start().await;
    let dir = Scratch::new();
    write(&dir.0, "lib/Life_on-earth.pdf", hundred("photosynthesis"));
    write(&dir.0, "lib/broken.pdf", b"%PDF-1.4\nno such thing\n%%EOF\n");
    write(&dir.0, "lib/half.pdf", &hundred("x")[..4000]);
    write(&dir.0, "lib/words.docx", b"only words");
    write(&dir.0, "lib/halves.md", "# Halves\nOne of two.");
    let tia = school.tia.email.as_str();
    let (told, code) = imported(&school, &dir.0, &["lib", "--as", tia, "--dry-run"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("2 of 5 files would be imported, 0 there already, 3 rejected, 100 pages read"),
        "{told}"
    );
    assert_eq!(school.app.count("SELECT count(*) FROM files").await, 0, "a dry run changes nothing");

    // As if one had broken off between the file and its content.
    let first =
        crate::files::upload(&school.tia, "Life_on-earth.pdf", &hundred("photosynthesis")).await.ok(201);
    let (told, code) = imported(&school, &dir.0, &["lib", "--as", tia, "--publish"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("2 of 5 files imported, 0 there already, 3 rejected, 100 pages read"), "{told}");
    assert_eq!(titles(&school.ada).await, ["Halves", "Life on earth"]);
    let rejects = std::fs::read_to_string(dir.0.join("content-rejects.jsonl")).unwrap();
    for (file, reason) in [
        ("broken.pdf", "it cannot be read"),
        ("half.pdf", "its end is missing"),
        ("words.docx", "not a PDF or an office document"),
    ] {
        let line = json!({"file": file, "reason": reason}).to_string();
        assert!(rejects.contains(&line), "{line}: {rejects}");
    }
    let found = school.ada.post("/content/search", json!({"q": "photosynthesis"})).await.ok(200);
    let found = &found["items"][0];
    let file = &found["files"][0];
    assert_eq!((&found["title"], &found["page"]), (&json!("Life on earth"), &json!(37)));
    assert_eq!(
        (&file["id"], &file["reading"], &file["read_pages"]),
        (&first["id"], &json!("read"), &json!(100))
    );
    let task = "SELECT count(*) FROM tasks WHERE kind = 'document_pages' AND status = 'succeeded'";
    assert_eq!(school.app.count(task).await, 1);

    // Once more: nothing is read or stored again.
    let (told, _) = imported(&school, &dir.0, &["lib", "--as", tia, "--publish"]).await;
    assert!(told.contains("0 of 5 files imported, 2 there already, 3 rejected: see"), "{told}");
    assert_eq!(school.app.count("SELECT count(*) FROM files").await, 1);
    // One file alone is no archive.
    for alone in ["lib/halves.md", "lib/Life_on-earth.pdf"] {
        let (told, code) = imported(&school, &dir.0, &[alone, "--as", tia, "--publish"]).await;
        assert!(
            code == Some(0) && told.contains("0 of 1 file") && told.contains("1 there already"),
            "{told}"
        );
    }
    // And in the language that is said.
    write(&dir.0, "de/Stadt.pdf", book(&["Die Tore der Stadt.".to_owned()]));
    imported(&school, &dir.0, &["de", "--as", tia, "--publish", "--language", "de"]).await;
    let found = school.ada.post("/content/search", json!({"q": "Tor"})).await.ok(200);
    assert_eq!(found["items"][0]["title"], "Stadt");
    let (told, _) = imported(&school, &dir.0, &["de", "--as", tia, "--language", "deutsch!"]).await;
    assert!(told.contains("1 rejected"), "{told}");
}

/// An archive whose names lead out of it and whose files are larger than they may be.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_read_within_bounds() {
    let school = School::start().await;
    let dir = Scratch::new();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(dir.0.join("lib.zip")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let bomb = vec![b'x'; 64 << 20];
    for (name, bytes) in [
        ("unit/halves.md", &b"# Halves\nOne of two."[..]),
        ("../../escape.md", b"# Escape\nOut."),
        ("bomb.md", &bomb),
        ("__MACOSX/._halves.md", b"x"),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    let (told, code) = imported(&school, &dir.0, &["lib.zip", "--as", &school.tia.email]).await;
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("1 rejected"), "{told}");
    let titles = titles(&school.tia).await;
    assert!(titles.contains(&"Halves".to_owned()) && !titles.contains(&"bomb".to_owned()), "{titles:?}");
    assert!(!dir.0.join("../../escape.md").exists() && !dir.0.join("escape.md").exists());
    let rejects = std::fs::read_to_string(dir.0.join("content-rejects.jsonl")).unwrap();
    assert!(rejects.contains("bomb.md") && rejects.contains("longer than"), "{rejects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_write_imports_nothing() {
    let school = School::start().await;
    let dir = Scratch::new();
    write(&dir.0, "lib/halves.md", "# Halves\nOne of two.");
    write(&dir.0, "no.zip", "not an archive");
    for (arguments, why) in [
        (&["lib", "--as", &*school.ada.email][..], "no tutor or admin"),
        (&["lib", "--as", "nobody@school.example"], "no account"),
        (&["lib", "--as", &school.tia.email, "--org", "North"], "does not belong"),
        (&["no.zip", "--as", &school.tia.email], "neither a folder nor a zip archive"),
        (&["nowhere", "--as", &school.tia.email], "nowhere"),
    ] {
        let (told, code) = imported(&school, &dir.0, arguments).await;
        assert!(code == Some(1) && told.contains(why), "{told}");
    }
    assert!(titles(&school.root).await.is_empty());
    let (told, code) = imported(&school, &dir.0, &["lib", "--as", &school.tom.email, "--org", "North"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(titles(&school.tom).await, ["Halves"]);
}
