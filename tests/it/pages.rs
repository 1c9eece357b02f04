//! Documents that are attached to content: who sees them, what is found in them, and when they go.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use fynq::convert::{Converter, Paged};
use fynq::id::Uuid;
use fynq::jobs::{KINDS, Worker, pages::write_pages, sweep_older};
use fynq::store::StoreError;
use http::Method;
use serde_json::{Value, json};

use crate::content::written;
use crate::files::upload;
use crate::support::app::{Scratch, TestApp};
use crate::support::client::Client;
use crate::support::paper::{book, hundred};
use crate::support::pg;
use crate::support::school::School;
use crate::support::socket::PATIENCE;

async fn school() -> School {
    School::of(TestApp::builder().settings(|settings| settings.worker.on = true)).await
}

async fn uploaded(by: &Client, name: &str, bytes: &[u8]) -> String {
    upload(by, name, bytes).await.ok(201)["id"].as_str().unwrap().to_owned()
}

/// Published for the class, with no word but its title.
fn with(title: &str, files: &[&str], class: &str) -> Value {
    json!({"title": title, "body": "", "state": "published", "classes": [class], "files": files})
}

/// Content with a book; gives the ids of both.
async fn shelved(school: &School, name: &str, bytes: &[u8]) -> (String, String) {
    let file = uploaded(&school.tia, name, bytes).await;
    let content = written(&school.tia, with("Biology", &[&file], &school.class)).await;
    (content, file)
}

/// What of its only file has become, once it is read or cannot be.
async fn settled(who: &Client, content: &str) -> Value {
    let over = async {
        loop {
            let file = who.get(&format!("/content/{content}")).await.ok(200)["files"][0].clone();
            if file["reading"] != "waiting" {
                return file;
            }
            // A worker's end cannot be awaited from here, only asked for.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 3, over).await.expect("it is read")
}

/// The best page for some words: content, file, page, and what of its excerpt is a hit.
async fn hit(who: &Client, words: &str) -> Option<(String, Value, Value, Vec<String>)> {
    let page = who.post("/content/search", json!({"q": words})).await.ok(200);
    let item = page["items"].as_array().unwrap().first()?.clone();
    let pieces = item["excerpt"].as_array().unwrap().clone();
    let hits = pieces.iter().filter(|piece| piece["hit"] == true);
    let hits = hits.map(|piece| piece["text"].as_str().unwrap().to_owned()).collect();
    Some((item["id"].as_str().unwrap().into(), item["file"].clone(), item["page"].clone(), hits))
}

fn read_at(content: &str, file: &str, query: &str) -> String {
    format!("/content/{content}/files/{file}/pages{query}")
}

async fn blobs(school: &School) -> Vec<String> {
    school.app.server().app().files.list().map(|blob| blob.unwrap().0).collect().await
}

/// Waits until nothing lies in the storage.
async fn blobs_are_gone(school: &School) {
    let gone = async {
        while !blobs(school).await.is_empty() {
            // They go behind an answer that is not awaited.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the blobs go");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_of_a_hundred_pages_is_found_by_its_page() {
    let school = school().await;
    let file = uploaded(&school.tia, "Life.pdf", &hundred("photosynthesis")).await;
    let made = school.tia.post("/content", with("Biology", &[&file], &school.class)).await.ok(201);
    let content = made["id"].as_str().unwrap();
    let attached = &made["files"][0];
    assert_eq!((&attached["id"], &attached["name"]), (&json!(file), &json!("Life.pdf")));
    let task = attached["task"].as_str().unwrap();
    assert_eq!(school.tia.get(&format!("/tasks/{task}")).await.ok(200)["kind"], "document_pages");
    let read = settled(&school.tia, content).await;
    assert_eq!(
        (&read["reading"], &read["read_pages"], &read["pages"]),
        (&json!("read"), &json!(100), &json!(100))
    );
    let ended = school.tia.get(&format!("/tasks/{task}")).await.ok(200);
    assert_eq!((&ended["status"], &ended["result"]["pages"]), (&json!("succeeded"), &json!(100)));

    // A student sees it, and not who works on it.
    let seen = school.ada.get(&format!("/content/{content}")).await.ok(200);
    assert!(seen["files"][0].get("task").is_none(), "{seen}");
    let (found, of, page, hits) = hit(&school.ada, "photosynthesis").await.unwrap();
    assert_eq!((found.as_str(), of, page), (content, json!(file), json!(37)));
    assert_eq!(hits, ["photosynthesis"]);
    let one = school.ada.get(&read_at(content, &file, "?from=37&limit=1")).await.ok(200);
    assert_eq!(
        one,
        json!({"pages": [{"page": 37, "text": "On page 37 we speak of photosynthesis."}], "total": 100})
    );
    let last = school.ada.get(&read_at(content, &file, "?from=99")).await.ok(200);
    assert_eq!(last["pages"].as_array().unwrap().len(), 2);
    assert_eq!(
        school.ada.get(&read_at(content, &file, "?from=101")).await.ok(200),
        json!({"pages": [], "total": 100})
    );
    for bad in ["?from=0", "?limit=0", "?limit=101"] {
        school.ada.get(&read_at(content, &file, bad)).await.assert_problem(422, "invalid_input");
    }
    // What the model makes cards and questions of has the pages, as far as they fit.
    let store = &school.app.server().app().store;
    let source =
        store.content_source(school.tia.user_id.parse().unwrap(), content.parse().unwrap(), 2000).await;
    let text = source.unwrap().unwrap().text;
    assert!(text.len() == 2000 && text.contains("we speak of photosynthesis"), "{text}");
    // Every page holds the other word, and the content comes once, with the first of them.
    let all = school.ada.post("/content/search", json!({"q": "fraction"})).await.ok(200);
    assert_eq!((all["items"].as_array().unwrap().len(), &all["items"][0]["page"]), (1, &json!(1)));
    // What only the title says has no page; subject and grade choose as they do in the list.
    assert_eq!(hit(&school.ada, "biology").await.unwrap().2, Value::Null);
    let other = json!({"q": "photosynthesis", "subject": "Art"});
    assert_eq!(school.ada.post("/content/search", other).await.ok(200)["items"], json!([]));
    let data = school.ada.get(&format!("/files/{file}")).await.ok(200);
    assert!(data["url"].as_str().unwrap().contains("/data?"), "{data}");
}

/// The converter's child says a line for each page, and whatever else it says is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn how_far_it_is_is_told_page_by_page() {
    let dir = Scratch::new();
    let (from, into) = (dir.0.join("from"), dir.0.join("into"));
    std::fs::write(&from, hundred("light")).unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let converter = Converter::new(Some(std::path::Path::new(env!("CARGO_BIN_EXE_fynq"))));
    let tell = |done, of| told.lock().unwrap().push((done, of));
    let words = converter.words("application/pdf", &from, &into, &tell).await.unwrap();
    assert_eq!(words.pages, Some(100));
    let wanted: Vec<_> = (1..=100).map(|page| (page, 100)).collect();
    assert_eq!(*told.lock().unwrap(), wanted);
}

/// A program in the converter's place that reads as fast as it is let.
fn slow_reader(dir: &Scratch) -> PathBuf {
    let (text, program) = (dir.0.join("text"), dir.0.join("program"));
    let lines = format!(
        "#!/bin/sh\necho a panic >&2\nfor page in 37 87; do\n  echo $page 100 >&2\n  \
         while [ ! -e {0}/$page ]; do /bin/sleep 0.02; done\n  /bin/rm {0}/$page\ndone\n\
         echo '{{\"pages\":1,\"bytes\":6,\"cut\":true}}'\nprintf zebras\n",
        dir.0.display()
    );
    std::fs::write(&text, lines).unwrap();
    // By another process: what a child of this one inherits, open for writing, cannot be run.
    let copied = std::process::Command::new("install").args(["-m", "755"]).args([&text, &program]).status();
    assert!(copied.unwrap().success());
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_shows_the_pages_that_are_read() {
    let dir = Scratch::new();
    let program = slow_reader(&dir);
    let school = School::of(TestApp::builder().settings(|settings| {
        settings.worker.on = true;
        settings.worker.lease = Duration::from_secs(3);
        settings.files.program = Some(program);
    }))
    .await;
    let file = uploaded(&school.tia, "slow.pdf", &hundred("x")).await;
    // The words beside the file are read by a task of its own, as slowly.
    let content = written(&school.tia, with("Slow", &[&file], &school.class)).await;
    let task = school.tia.get(&format!("/content/{content}")).await.ok(200)["files"][0]["task"].clone();
    for (id, at) in [(json!(file), 37), (json!(file), 87), (task.clone(), 37), (task.clone(), 87)] {
        let path = format!("/tasks/{}", id.as_str().unwrap());
        let so = async {
            while school.tia.get(&path).await.ok(200)["progress"] != f64::from(at) / 100.0 {
                // Progress cannot be awaited, only asked for.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("{path} is never at {at}"));
        std::fs::write(dir.0.join(at.to_string()), "").unwrap();
    }
    let read = settled(&school.tia, &content).await;
    assert_eq!((&read["reading"], &read["cut"]), (&json!("read"), &json!(true)));
    assert_eq!(hit(&school.ada, "zebra").await.unwrap().2, json!(1));
    let progress =
        school.tia.get(&format!("/tasks/{}", task.as_str().unwrap())).await.ok(200)["progress"].clone();
    assert_eq!(progress, 1.0);
}

/// Everything by which somebody could learn of a page.
async fn words_of(who: &Client, content: &str, file: &str) -> String {
    let search = who.post("/content/search", json!({"q": "xylophone"})).await;
    let pages = who.get(&read_at(content, file, "")).await;
    let one = who.get(&format!("/content/{content}")).await;
    let list = who.get("/content?limit=100").await;
    let file = who.get(&format!("/files/{file}")).await;
    format!("{} {} {} {} {}", search.body, pages.body, one.body, list.body, file.body)
}

async fn nobody_else_learns_a_word(school: &School) {
    let told = |text: &str| text.to_lowercase().contains("xylophone");
    let page = book(&["Nothing here.".into(), "The xylophone is secret.".into()]);
    let published = uploaded(&school.tia, "xylophone.pdf", &page).await;
    let drafted = uploaded(&school.tia, "xylophone2.pdf", &page).await;
    let of_class = written(&school.tia, with("A", &[&published], &school.class)).await;
    let draft = written(&school.tia, json!({"title": "B", "files": [drafted]})).await;
    for content in [&of_class, &draft] {
        assert_eq!(settled(&school.tia, content).await["reading"], "read");
    }
    assert!(told(&words_of(&school.ada, &of_class, &published).await));
    assert!(told(&words_of(&school.root, &draft, &drafted).await));
    for who in [&school.cy, &school.eve, &school.tom, &school.rex] {
        let learnt = words_of(who, &of_class, &published).await;
        assert!(!told(&learnt), "{learnt}");
    }
    for who in [&school.ada, &school.cy, &school.uwe, &school.eve, &school.tom] {
        let learnt = who.get(&read_at(&draft, &drafted, "")).await;
        learnt.assert_problem(404, "not_found");
        who.get(&format!("/files/{drafted}")).await.assert_problem(404, "not_found");
    }
    // A file of one piece is no key to another's.
    school.ada.get(&read_at(&of_class, &drafted, "")).await.assert_problem(404, "not_found");
    // Whose things are looked at is written down, but not who reads in the library.
    school.app.server().app().audit.flush().await;
    let sql = "SELECT count(*) FROM audit WHERE event = 'file_read'";
    assert_eq!(school.app.count(sql).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_student_of_another_class_or_school_learns_a_word_of_a_page() {
    nobody_else_learns_a_word(&school().await).await;
}

/// The first lock alone.
#[tokio::test(flavor = "multi_thread")]
async fn nor_of_a_page_without_row_level_security() {
    let school = school().await;
    school.app.without_row_level_security().await;
    nobody_else_learns_a_word(&school).await;
}

/// The second lock alone: by bare SQL.
#[tokio::test(flavor = "multi_thread")]
async fn bare_sql_gives_nobody_a_page_that_is_not_theirs_to_see() {
    use tokio_postgres::error::SqlState;
    let school = school().await;
    let (of_class, file) = shelved(&school, "a.pdf", &book(&["xylophone".into()])).await;
    let drafted = uploaded(&school.tia, "b.pdf", &book(&["xylophone".into()])).await;
    let draft = written(&school.tia, json!({"title": "B", "files": [drafted]})).await;
    for content in [&of_class, &draft] {
        assert_eq!(settled(&school.tia, content).await["reading"], "read");
    }
    let client = pg::connect(&school.app.database.app_url()).await;
    let as_user = |who: &Client| {
        format!(
            "BEGIN; SET LOCAL ROLE fynq_user; SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)",
            who.user_id
        )
    };
    let counts = [
        "SELECT count(*) FROM content_pages",
        "SELECT count(*) FROM content_files",
        "SELECT count(*) FROM files",
        "SELECT count(*) FROM fynq.library_with('xylophone', true)",
        // What an older fynq asks.
        "SELECT count(*) FROM fynq.content_with('xylophone', false)",
    ];
    let seen = [(&school.tia, 2), (&school.root, 2), (&school.ada, 1), (&school.uwe, 1)];
    let nobody = [&school.cy, &school.eve, &school.tom, &school.rex].map(|who| (who, 0));
    for (who, wanted) in seen.into_iter().chain(nobody) {
        for sql in counts {
            client.batch_execute(&as_user(who)).await.unwrap();
            let count: i64 = client.query_typed_one(sql, &[]).await.unwrap().get(0);
            client.batch_execute("ROLLBACK").await.unwrap();
            assert_eq!(count, wanted, "{sql}");
        }
    }
    // Nobody attaches but by the function, and that judges.
    let mine = uploaded(&school.uwe, "c.txt", b"words").await;
    let attach = |content: &str, file: &str| {
        format!("SELECT fynq.attach_files('{content}', '{{{file}}}', '{{{}}}')", fynq::id::new())
    };
    let refused = [
        (&school.uwe, attach(&of_class, &mine), SqlState::NO_DATA_FOUND),
        (&school.ada, attach(&of_class, &file), SqlState::NO_DATA_FOUND),
        (&school.tom, attach(&of_class, &file), SqlState::NO_DATA_FOUND),
        (&school.tia, attach(&of_class, &mine), SqlState::UNIQUE_VIOLATION),
        (&school.tia, attach(&of_class, &drafted), SqlState::UNIQUE_VIOLATION),
        (
            &school.tia,
            format!("UPDATE content_files SET content_id = '{of_class}'"),
            SqlState::INSUFFICIENT_PRIVILEGE,
        ),
        (&school.tia, "DELETE FROM content_files".into(), SqlState::INSUFFICIENT_PRIVILEGE),
        (&school.tia, "UPDATE content_pages SET text = 'x'".into(), SqlState::INSUFFICIENT_PRIVILEGE),
        (&school.tia, format!("DELETE FROM files WHERE id = '{file}'"), SqlState::FOREIGN_KEY_VIOLATION),
    ];
    for (who, sql, wanted) in refused {
        client.batch_execute(&as_user(who)).await.unwrap();
        let told = client.batch_execute(&sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(told.expect_err(&sql).code(), Some(&wanted), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_attached_once_by_whose_it_is() {
    let school = School::start().await;
    let [one, two] =
        [uploaded(&school.tia, "one.txt", b"one").await, uploaded(&school.tia, "two.txt", b"two").await];
    let theirs = uploaded(&school.uwe, "theirs.txt", b"three").await;
    let refused = |files: Value| {
        let body = json!({"title": "x", "body": "x", "files": files});
        school.tia.post("/content", body)
    };
    for (files, pointer) in [
        (json!([theirs]), "/files/0"),
        (json!([one, fynq::id::new()]), "/files/1"),
        (json!([one, one]), "/files"),
        (json!((0..9).map(|_| fynq::id::new()).collect::<Vec<_>>()), "/files"),
    ] {
        let reply = refused(files).await;
        reply.assert_problem(422, "invalid_input");
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{reply:?}");
    }
    school.tia.post("/content", json!({"title": "x", "body": ""})).await.assert_problem(422, "invalid_input");
    let id = written(&school.tia, with("x", &[&one, &two], &school.class)).await;
    refused(json!([one])).await.assert_problem(422, "invalid_input");
    // The admin keeps what the author attached, and adds what is their own.
    let roots = uploaded(&school.root, "root.txt", b"four").await;
    let path = format!("/content/{id}");
    let put = |who: &Client, version: i32, files: &[&str]| {
        let mut body = with("x", files, &school.class);
        body["version"] = json!(version);
        let (who, path) = (who.clone(), path.clone());
        async move { who.put(&path, body).await }
    };
    let changed = put(&school.root, 1, &[&roots, &two, &one]).await.ok(200);
    let names: Vec<_> = changed["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["root.txt", "two.txt", "one.txt"]);
    // What an older version is put back for keeps what is attached.
    let back = school.tia.post(&format!("{path}/versions/1/restore"), json!({"version": 2})).await.ok(200);
    assert_eq!(back["files"].as_array().unwrap().len(), 3);
    school.tia.delete(&format!("/files/{one}")).await.assert_problem(409, "conflict");
    let kept = put(&school.tia, 3, &[&two]).await.ok(200);
    assert_eq!(kept["files"].as_array().unwrap().len(), 1);
    school.tia.get(&format!("/files/{one}")).await.assert_problem(404, "not_found");
}

/// A page from before there were files sends none.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_names_no_files_leaves_them() {
    let school = school().await;
    let (content, file) = shelved(&school, "Life.pdf", &book(&["Cells.".to_owned()])).await;
    let path = format!("/content/{content}");
    let old = json!({"title": "Life", "body": "About cells.", "version": 1});
    let changed = school.tia.put(&path, old).await.ok(200);
    assert_eq!((&changed["title"], &changed["files"][0]["id"]), (&json!("Life"), &json!(file)));
    let bare = json!({"title": "Life", "body": "About cells.", "files": [], "version": 2});
    assert_eq!(school.tia.put(&path, bare).await.ok(200)["files"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_goes_with_its_blobs_unless_it_was_sent() {
    let school = school().await;
    let (content, file) = shelved(&school, "a.pdf", &book(&["words".into()])).await;
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
    // As if it had been sent: it stays, without its pages.
    let session = school.tia.session().await;
    school.app.execute(&format!("INSERT INTO file_uses VALUES ('{file}', '{session}')")).await;
    let path = format!("/content/{content}");
    school.tia.put(&path, json!({"title": "x", "body": "x", "files": [], "version": 1})).await.ok(200);
    assert_eq!(school.app.count("SELECT count(*) FROM content_pages").await, 0);
    school.tia.get(&format!("/files/{file}")).await.ok(200);
    // And may be attached again: it is read once more.
    school.tia.put(&path, json!({"title": "x", "version": 2, "files": [file]})).await.ok(200);
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
    // The session ends, and the file stays for the content.
    school.tia.delete(&format!("/sessions/{session}")).await.ok(204);
    school.tia.get(&format!("/files/{file}")).await.ok(200);
    school.tia.delete(&path).await.ok(204);
    assert_eq!(school.app.count("SELECT count(*) FROM files").await, 0);
    blobs_are_gone(&school).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_stays_when_its_owner_goes() {
    let school = School::of(TestApp::builder().settings(|settings| {
        settings.worker.on = true;
        settings.retention.sessions_days = Some(30);
    }))
    .await;
    let (content, file) = shelved(&school, "a.pdf", &book(&["a zebra".into()])).await;
    let loose = uploaded(&school.tia, "loose.txt", b"words").await;
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
    let password = json!({"password": school.tia.password});
    school.tia.call(Method::DELETE, "/users/me", Some(password)).await.ok(204);
    let left = school.ada.get(&format!("/content/{content}")).await.ok(200);
    assert_eq!(left["files"][0]["id"], json!(file));
    assert_eq!(hit(&school.ada, "zebras").await.unwrap().2, json!(1));
    school.ada.get(&format!("/files/{file}")).await.ok(200);
    assert_eq!(school.app.count(&format!("SELECT count(*) FROM files WHERE id = '{loose}'")).await, 0);
    // It counts to the school's room, and no sweep takes it.
    let sql = "SELECT sum(size)::int8 FROM files WHERE owner_id IS NULL AND org_id IS NOT NULL";
    assert!(school.app.count(sql).await > 0);
    school.app.execute("UPDATE files SET created_at = now() - interval '400 days'").await;
    let swept = sweep_older(school.app.server().app(), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(swept.unsent, 0);
    // The admin may change it and keeps the file; without it the file goes.
    let path = format!("/content/{content}");
    school.root.put(&path, json!({"title": "x", "version": 1, "files": [file]})).await.ok(200);
    school.root.put(&path, json!({"title": "x", "body": "x", "files": [], "version": 2})).await.ok(200);
    assert_eq!(school.app.count("SELECT count(*) FROM files").await, 0);
    blobs_are_gone(&school).await;
}

/// A student who teaches no more, say: what hangs in the library is no file that was never sent.
#[tokio::test(flavor = "multi_thread")]
async fn retention_leaves_what_is_attached() {
    let school = School::of(TestApp::builder().settings(|s| s.retention.sessions_days = Some(30))).await;
    let (_, file) = shelved(&school, "a.txt", b"words").await;
    school
        .app
        .execute(
            "UPDATE files SET created_at = now() - interval '400 days'; UPDATE users SET role = 'student'",
        )
        .await;
    let swept = sweep_older(school.app.server().app(), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(swept.unsent, 0);
    assert_eq!(school.app.count(&format!("SELECT count(*) FROM files WHERE id = '{file}'")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_searched_by_the_rules_of_the_contents_language() {
    let school = school().await;
    let file = uploaded(&school.tia, "haus.txt", "Die Häuser der Stadt.".as_bytes()).await;
    let mut body = with("Wohnen", &[&file], &school.class);
    body["language"] = json!("de");
    let content = written(&school.tia, body.clone()).await;
    let read = settled(&school.tia, &content).await;
    assert_eq!((&read["read_pages"], read.get("pages")), (&json!(1), None), "a text has parts, no pages");
    assert_eq!(hit(&school.ada, "Haus").await.unwrap().3, ["Häuser"]);
    body["language"] = json!("en");
    body["version"] = json!(1);
    school.tia.put(&format!("/content/{content}"), body).await.ok(200);
    assert_eq!(hit(&school.ada, "Haus").await, None);
    assert_eq!(hit(&school.ada, "häuser").await.unwrap().2, json!(1));
}

/// A worker that died in the middle, or fell silent and speaks again.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_there_once_whoever_reads_them() {
    let school = School::start().await;
    let (content, file) = shelved(&school, "a.pdf", &hundred("zebras")).await;
    let task = school.tia.get(&format!("/content/{content}")).await.ok(200)["files"][0]["task"].clone();
    let task: Uuid = task.as_str().unwrap().parse().unwrap();
    let store = school.app.server().app().store.clone();
    let lease = Duration::from_secs(60);
    let old = store.hold_task(task, "old", lease).await.unwrap().unwrap();
    assert!(store.hold_task(task, "new", lease).await.unwrap().is_none(), "it is held");
    let some = Paged { pages: vec!["zebra one".into(), "zebra two".into()], cut: false };
    write_pages(&store, old, &some).await.unwrap();
    assert_eq!(school.app.count("SELECT count(*) FROM content_pages").await, 2);
    assert_eq!(hit(&school.ada, "zebra").await, None, "what is not read to its end is not found");
    let pages = school.ada.get(&read_at(&content, &file, "")).await.ok(200);
    assert_eq!(pages, json!({"pages": [], "total": 0}));
    school
        .app
        .execute("UPDATE tasks SET lease_until = now() - interval '1 s' WHERE status = 'running'")
        .await;
    let worker = tokio::spawn(Worker::new(school.app.server().app().clone(), KINDS).run());
    let expired = async {
        // The worker's own look gives it another chance; the wait before it is not the test's.
        loop {
            let sql = "UPDATE tasks SET run_at = now() WHERE status = 'queued'";
            school.app.execute(sql).await;
            let file = school.tia.get(&format!("/content/{content}")).await.ok(200)["files"][0].clone();
            if file["reading"] != "waiting" {
                return file;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let read = tokio::time::timeout(PATIENCE * 3, expired).await.expect("it is read");
    assert_eq!((&read["reading"], &read["read_pages"]), (&json!("read"), &json!(100)));
    assert!(matches!(write_pages(&store, old, &some).await, Err(StoreError::Missing)), "its lease is over");
    assert_eq!(school.app.count("SELECT count(*) FROM content_pages").await, 100);
    assert_eq!(school.app.count("SELECT count(*) FROM content_pages WHERE text LIKE 'zebra%'").await, 0);
    assert_eq!(hit(&school.ada, "zebra").await.unwrap().2, json!(37));
    worker.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_so_and_can_be_tried_again() {
    let school = school().await;
    let file = uploaded(&school.tia, "a.pdf", &book(&["a zebra".into()])).await;
    let app = school.app.server().app();
    let keys = blobs(&school).await;
    let key = keys.iter().find(|key| !key.contains(".text")).unwrap();
    let bytes = app.files.get_all(key, 1 << 20).await.unwrap();
    app.files.delete(key).await.unwrap();
    let content = written(&school.tia, with("x", &[&file], &school.class)).await;
    let failed = settled(&school.tia, &content).await;
    assert_eq!(failed["reading"], "failed");
    let task = format!("/tasks/{}", failed["task"].as_str().unwrap());
    assert_eq!(school.tia.get(&task).await.ok(200)["error"]["code"], "gone");
    app.files.put(key, futures_util::stream::iter([Ok(bytes)]), 1 << 20).await.unwrap();
    school.root.post(&format!("{task}/requeue"), json!({})).await.ok(200);
    let again = async {
        while hit(&school.ada, "zebra").await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it is read");
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
}

/// The tutor model cites the page.
#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_given_the_page_and_a_link_to_it() {
    let mut school = school().await;
    let (content, file) = shelved(&school, "Life.pdf", &hundred("photosynthesis")).await;
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
    let mut socket = school.ada.socket(&school.session).await;
    for two in [false, true] {
        socket.ask("What is photosynthesis?").await;
        let call = school.app.model.call().await;
        let instruction = call.request["systemInstruction"]["parts"][1]["text"].as_str().unwrap();
        assert!(instruction.contains("?page=37)"), "{instruction}");
        let args = json!({"query": "photosynthesis"});
        call.ask(json!([{"functionCall": {"id": "fc-1", "name": "search_library", "args": args}}])).await;
        let call = school.app.model.call().await;
        let contents = call.request["contents"].as_array().unwrap();
        let told = &contents.last().unwrap()["parts"][0]["functionResponse"]["response"]["found"][0];
        let which = if two { format!("&file={file}") } else { String::new() };
        let link = format!("#/library/{content}?page=37{which}");
        assert_eq!((&told["page"], &told["link"]), (&json!(37), &json!(link)), "{told}");
        assert!(told["excerpt"].as_str().unwrap().contains("photosynthesis"), "{told}");
        call.answer(&format!("See [Biology, p. 37]({link}).")).await;
        socket.run_end().await;
        // Of several files the link says which one.
        let more = uploaded(&school.tia, "more.txt", b"Something else.").await;
        let mut body = with("Biology", &[&more, &file], &school.class);
        body["version"] = json!(1);
        school.tia.put(&format!("/content/{content}"), body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_practice_model_cites_the_page() {
    let school =
        School::of(TestApp::builder().practice().settings(|settings| settings.worker.on = true)).await;
    let (content, _) = shelved(&school, "Life.pdf", &hundred("photosynthesis")).await;
    assert_eq!(settled(&school.tia, &content).await["reading"], "read");
    let mut socket = school.ada.socket(&school.session).await;
    socket.ask("Is there something on photosynthesis in the library?").await;
    socket.run_end().await;
    let text = &socket.log.answer().text;
    assert!(text.contains(&format!("[Biology, p. 37](#/library/{content}?page=37)")), "{text}");
}
