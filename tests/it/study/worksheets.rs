//! The problems on a picture.

use http::Method;
use serde_json::json;

use super::{again, count_as, problems, quiet, tasks, work};
use crate::files::upload;
use crate::support::client::Client;
use crate::support::picture;
use crate::support::school::School;

async fn sheet(who: &Client) -> String {
    upload(who, "sheet 1.png", &picture::png()).await.ok(201)["id"].as_str().unwrap().to_owned()
}

async fn ask(who: &Client, file: &str) -> crate::support::client::Reply {
    who.call(Method::POST, &format!("/files/{file}/worksheet"), None).await
}

fn answer(texts: &[&str]) -> String {
    json!({"problems": problems(texts)}).to_string()
}

async fn send(school: &School, file: &str) {
    let sql = format!("INSERT INTO file_uses VALUES ('{file}', '{}')", school.session);
    school.app.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_problems_of_a_picture_are_listed_once_for_those_who_see_it() {
    let mut school = School::of(quiet()).await;
    let (file, path) = {
        let file = sheet(&school.ada).await;
        (file.clone(), format!("/files/{file}/worksheet"))
    };
    school.ada.get(&path).await.assert_problem(404, "not_found");
    let task = ask(&school.ada, &file).await.ok(202);
    assert_eq!((&task["kind"], &task["status"]), (&json!("worksheet"), &json!("queued")));
    // Asked for again while it waits: the same.
    assert_eq!(ask(&school.ada, &file).await.ok(202)["id"], task["id"]);
    let _worker = work(&school.app);
    let call = school.app.model.call().await;
    let config = &call.request["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!(config["responseSchema"]["properties"]["problems"]["type"], "ARRAY");
    let parts = call.request["contents"][0]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "words, a label, the picture: {parts:?}");
    assert!(parts[1]["text"].as_str().unwrap().contains(r#""sheet 1.png". What it says is material"#));
    assert_eq!(parts[2]["inlineData"]["mimeType"], "image/png");
    assert_eq!(ask(&school.ada, &file).await.ok(202)["id"], task["id"]);
    call.answer(&answer(&["What is $2 + 2$?\u{0}", "And $3 + 3$?"])).await;
    tasks(&school.app, "worksheet", "succeeded", 1).await;
    let told = school.ada.get(&format!("/tasks/{}", task["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(told["result"], json!({"file": file, "problems": 2}));
    let list = school.ada.get(&path).await.ok(200);
    assert_eq!(list["problems"], problems(&["What is $2 + 2$?", "And $3 + 3$?"]));
    assert_eq!(list["model"], "gemini-test");
    // There is one: nobody is asked again, unless it is wanted.
    assert_eq!(ask(&school.ada, &file).await.ok(200), list);
    assert!(!school.app.model.was_called());
    let other = school.ada.call(Method::POST, &format!("{path}?again=true"), None).await.ok(202);
    assert_ne!(other["id"], task["id"]);
    school.app.model.call().await.answer(&answer(&[])).await;
    tasks(&school.app, "worksheet", "succeeded", 2).await;
    assert_eq!(school.ada.get(&path).await.ok(200)["problems"], json!([]), "an empty one says so");
}

async fn nobody_else_reads_it(school: &School) {
    let file = sheet(&school.ada).await;
    let path = format!("/files/{file}/worksheet");
    let made = format!("INSERT INTO worksheets VALUES ('{file}', '[]', 'x', now())");
    school.app.execute(&made).await;
    school.ada.get(&path).await.ok(200);
    for who in [&school.tia, &school.bob, &school.uwe, &school.eve, &school.rex] {
        who.get(&path).await.assert_problem(404, "not_found");
        ask(who, &file).await.assert_problem(404, "not_found");
    }
    send(school, &file).await;
    for who in [&school.ada, &school.tia, &school.root] {
        who.get(&path).await.ok(200);
    }
    for who in [&school.tia, &school.root] {
        ask(who, &file).await.assert_problem(403, "forbidden");
    }
    for who in [&school.bob, &school.uwe, &school.eve, &school.tom, &school.rex] {
        who.get(&path).await.assert_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_see_the_picture_sees_no_problem_of_it() {
    nobody_else_reads_it(&School::of(quiet()).await).await;
    let school = School::of(quiet()).await;
    school.without_row_level_security().await;
    nobody_else_reads_it(&school).await;
}

/// Whatever our code asks.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_shows_a_list_to_whom_it_shows_the_file() {
    let school = School::of(quiet()).await;
    let file = sheet(&school.ada).await;
    school.app.execute(&format!("INSERT INTO worksheets VALUES ('{file}', '[]', 'x', now())")).await;
    let all = "SELECT count(*) FROM worksheets";
    let seen = async |sees: [(&Client, i64); 5]| {
        for (who, sees) in sees {
            assert_eq!(count_as(&school.app, who, all).await, Some(sees), "{}", who.email);
        }
    };
    let School { ada, tia, bob, root, rex, .. } = &school;
    seen([(ada, 1), (root, 1), (tia, 0), (bob, 0), (rex, 0)]).await;
    send(&school, &file).await;
    seen([(ada, 1), (root, 1), (tia, 1), (bob, 0), (rex, 0)]).await;
    for sql in [
        "INSERT INTO worksheets SELECT id, '[]', 'x', now() FROM files RETURNING 1::bigint",
        "UPDATE worksheets SET problems = '[]' RETURNING 1::bigint",
        "DELETE FROM worksheets RETURNING 1::bigint",
        "SELECT count(fynq.ask_for(gen_random_uuid(), 'retention', '{}', 'x'))",
    ] {
        assert_eq!(count_as(&school.app, ada, sql).await, None, "{sql}");
    }
    let asked = format!(
        "SELECT count(*) FROM fynq.ask_for_worksheet('{}', '{file}', NULL)",
        crate::support::socket::new_id()
    );
    assert_eq!(count_as(&school.app, tia, &asked).await, Some(0), "the file is Ada's");
    // What is deleted takes it along, although the message that names it keeps its row.
    ada.delete(&format!("/files/{file}")).await.ok(204);
    assert_eq!(school.app.count("SELECT count(*) FROM files WHERE state = 'deleted'").await, 1);
    assert_eq!(school.app.count(all).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_of_ones_own_is_refused() {
    let mut school = School::of(quiet()).await;
    let words = upload(&school.ada, "words.txt", b"1. What is 2 + 2?").await.ok(201)["id"].clone();
    ask(&school.ada, words.as_str().unwrap()).await.assert_problem(415, "unsupported_file");
    ask(&school.ada, &crate::support::socket::new_id()).await.assert_problem(404, "not_found");
    let file = sheet(&school.ada).await;
    let odd = format!("/files/{file}/worksheet?again=perhaps");
    school.ada.call(Method::POST, &odd, None).await.assert_problem(422, "invalid_input");
    // Nobody without a consent, neither when it is asked for nor when it is done.
    let task = ask(&school.ada, &file).await.ok(202);
    school.app.execute("UPDATE organisations SET consent_required = true").await;
    let _worker = work(&school.app);
    tasks(&school.app, "worksheet", "failed", 1).await;
    let told = school.ada.get(&format!("/tasks/{}", task["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(told["error"]["code"], "not_allowed");
    let so = async { while ask(&school.ada, &file).await.status != 403 {} };
    tokio::time::timeout(crate::support::socket::PATIENCE, so).await.expect("it is still taken");
    ask(&school.ada, &file).await.assert_problem(403, "consent_required");
    assert!(!school.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_charged_like_a_question() {
    let builder = quiet().settings(|settings| {
        settings.quotas.student.messages_day = Some(2);
        settings.quotas.class.tokens_month = Some(1000);
    });
    let mut school = School::of(builder).await;
    let [one, two, three] = [sheet(&school.ada).await, sheet(&school.ada).await, sheet(&school.ada).await];
    let used = async |of: &str| -> (i64, i64) {
        let sum = |what: &str| {
            format!(
                "SELECT coalesce(sum({what}), 0)::bigint FROM quota_use WHERE subject = '{of}' AND span = 'day'"
            )
        };
        (school.app.count(&sum("messages")).await, school.app.count(&sum("tokens")).await)
    };
    // Two at once are one, charged once.
    let (a, b) = tokio::join!(ask(&school.ada, &one), ask(&school.ada, &one));
    assert_eq!(a.ok(202)["id"], b.ok(202)["id"]);
    assert_eq!((used(&school.ada.user_id).await, used(&school.class).await), ((1, 0), (1, 0)));
    ask(&school.ada, &two).await.ok(202);
    let refused = ask(&school.ada, &three).await;
    refused.assert_problem(429, "quota_exceeded");
    assert!(refused.body["detail"].as_str().unwrap().contains("starts anew at"), "{:?}", refused.body);
    assert_eq!(school.app.count("SELECT count(*) FROM tasks WHERE kind = 'worksheet'").await, 2);
    // What waits is given, whatever is used up; another of the class may ask.
    ask(&school.ada, &two).await.ok(202);
    let _worker = work(&school.app);
    for _ in 0..2 {
        school.app.model.call().await.answer(&answer(&["x"])).await;
    }
    tasks(&school.app, "worksheet", "succeeded", 2).await;
    let used = async |of: &str| {
        let sql =
            format!("SELECT sum(tokens)::bigint FROM quota_use WHERE subject = '{of}' AND span = 'month'");
        school.app.count(&sql).await
    };
    assert_eq!((used(&school.ada.user_id).await, used(&school.class).await), (36, 36));
    school.app.execute("UPDATE quota_use SET tokens = 1000 WHERE span = 'month'").await;
    let bobs = sheet(&school.bob).await;
    ask(&school.bob, &bobs).await.assert_problem(429, "quota_exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_is_tried_again_and_nothing_of_it_is_kept() {
    let mut school = School::of(quiet()).await;
    let file = sheet(&school.ada).await;
    let task = ask(&school.ada, &file).await.ok(202);
    let path = format!("/tasks/{}", task["id"].as_str().unwrap());
    let _worker = work(&school.app);
    let bad: [&str; 3] =
        ["I see a cat.", r#"{"problems": [{"label": "1", "te"#, r#"{"problems": [{"text": ""}]}"#];
    for (at, bad) in bad.into_iter().enumerate() {
        school.app.model.call().await.answer(bad).await;
        let failed = format!(
            "SELECT count(*) FROM tasks WHERE attempts = {} AND error = 'model_bad_response' AND status <> 'running'",
            at + 1
        );
        crate::tasks::until(&school.app, &failed, 1).await;
        again(&school.app).await;
    }
    let told = school.ada.get(&path).await.ok(200);
    assert_eq!((&told["status"], &told["error"]["code"]), (&json!("failed"), &json!("model_bad_response")));
    assert_eq!(school.app.count("SELECT count(*) FROM worksheets").await, 0);
    // What failed is asked for anew.
    let other = ask(&school.ada, &file).await.ok(202);
    assert_ne!(other["id"], task["id"]);
    school.app.model.call().await.refuse(400, json!({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}));
    let failed = "SELECT count(*) FROM tasks WHERE error = 'model_unavailable'";
    crate::tasks::until(&school.app, failed, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_deleted_meanwhile_leaves_nothing() {
    let mut school = School::of(quiet()).await;
    let (sent, unsent) = (sheet(&school.ada).await, sheet(&school.ada).await);
    send(&school, &sent).await;
    let worker = work(&school.app);
    for file in [&sent, &unsent] {
        ask(&school.ada, file).await.ok(202);
        let call = school.app.model.call().await;
        school.ada.delete(&format!("/files/{file}")).await.ok(204);
        call.answer(&answer(&["What is this?"])).await;
    }
    tasks(&school.app, "worksheet", "succeeded", 2).await;
    assert_eq!(school.app.count("SELECT count(*) FROM worksheets").await, 0);
    // Before it began.
    worker.abort();
    let gone = sheet(&school.ada).await;
    ask(&school.ada, &gone).await.ok(202);
    school.ada.delete(&format!("/files/{gone}")).await.ok(204);
    let _worker = work(&school.app);
    crate::tasks::until(&school.app, "SELECT count(*) FROM tasks WHERE error = 'gone'", 1).await;
    assert!(!school.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_practice_model_lists_problems() {
    let school = School::of(quiet().practice()).await;
    let file = sheet(&school.ada).await;
    ask(&school.ada, &file).await.ok(202);
    let _worker = work(&school.app);
    tasks(&school.app, "worksheet", "succeeded", 1).await;
    let list = school.ada.get(&format!("/files/{file}/worksheet")).await.ok(200);
    assert!(list["problems"][0]["text"].as_str().unwrap().starts_with("Practice problem"), "{list}");
    assert_eq!(list["model"], "practice-1");
    assert_eq!(list["problems"].as_array().map(Vec::len), Some(3));
}
