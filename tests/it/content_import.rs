//! `fynq content import`: the real program on a folder and on an archive.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::app::Scratch;
use crate::support::client::Client;
use crate::support::school::{School, listed};

fn import(school: &School, dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fynq"))
        .args(["content", "import"])
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("DATABASE_URL", school.app.database.url())
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
