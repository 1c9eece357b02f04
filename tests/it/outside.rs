//! What the contract shows of commands and answers, held against them field by field: contract 1 and 2.

use std::time::Duration;

use fynq::id::Uuid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::app::{Scene, Scratch, TestApp};
use crate::support::client::Client;
use crate::support::pg;
use crate::support::socket::{PATIENCE, new_id};

/// Every field that the contract names is there, and nothing with another name.
#[track_caller]
fn has(value: &Value, fields: &[&str], may: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    for field in fields {
        assert!(object.contains_key(*field), "no `{field}` in {value}");
    }
    for name in object.keys() {
        assert!(fields.contains(&name.as_str()) || may.contains(&name.as_str()), "`{name}` in {value}");
    }
}

#[track_caller]
fn is_ours(id: &Value) {
    let id: Uuid = id.as_str().expect("an id").parse().expect("a UUID");
    assert_eq!(id.get_version_num(), 7, "{id}");
}

#[track_caller]
fn is_a_time(time: &Value) {
    let text = time.as_str().expect("a time");
    let told: fynq::clock::Timestamp = text.parse().expect("RFC 3339");
    assert!(text.ends_with('Z'), "not UTC: {text}");
    let ago = fynq::clock::now().duration_since(told).as_secs();
    assert!((0..60).contains(&ago), "{text} is {ago} s ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_fields_of_the_contract() {
    let app = TestApp::builder().start().await;
    let nobody = Client::stranger(app.addr);
    let index = nobody.get("").await.ok(200);
    assert_eq!((&index["name"], &index["version"]), (&json!("fynq"), &json!(env!("CARGO_PKG_VERSION"))));

    let entry = json!({"email": "ada@school.example", "password": "correct horse"});
    let tokens = ["access_token", "token_type", "expires_in", "refresh_token", "user"];
    let registered = nobody.post("/auth/register", entry.clone()).await.ok(201);
    has(&registered, &tokens, &[]);
    has(&registered["user"], &["id", "email", "role"], &["display_name"]);
    is_ours(&registered["user"]["id"]);
    assert_eq!(registered["expires_in"], 3600);
    let signed_in = nobody.post("/auth/login", entry).await.ok(200);
    has(&signed_in, &tokens, &[]);
    let again = json!({"refresh_token": signed_in["refresh_token"]});
    has(&nobody.post("/auth/refresh", again).await.ok(200), &tokens, &[]);
    let mut ada = nobody.clone();
    ada.take_tokens(&registered);

    let me = ada.get("/users/me").await.ok(200);
    has(
        &me,
        &["id", "email", "role", "display_name", "locale"],
        &["grade", "age_band", "created_at", "updated_at"],
    );
    let fields = ["id", "title", "subject", "student_id", "control", "created_at", "updated_at"];
    let session = ada.post("/sessions", json!({})).await.ok(201);
    has(&session, &fields, &[]);
    is_ours(&session["id"]);
    is_a_time(&session["created_at"]);
    is_a_time(&session["updated_at"]);
    let page = ada.get("/sessions").await.ok(200);
    has(&page, &["items", "next_cursor"], &[]);
    has(&page["items"][0], &fields, &[]);
    let ticket = ada.post("/socket-tickets", json!({})).await.ok(201);
    has(&ticket, &["ticket", "expires_in"], &[]);
    assert_eq!(ticket["expires_in"], 30);

    let refused = ada.post("/sessions", json!({"title": ""})).await;
    refused.assert_problem(422, "invalid_input");
    has(&refused.body, &["type", "title", "status", "detail", "code", "request_id", "errors"], &["instance"]);
    has(&refused.body["errors"][0], &["pointer", "message"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_fields_of_the_contract() {
    let mut scene = Scene::start().await;
    let asked = scene.turn("Why?", "Because").await;
    let messages = scene.ada.messages(&scene.session).await;
    for message in &messages {
        has(
            message,
            &["id", "session_id", "run_id", "role", "author", "content", "status", "files", "created_at"],
            &["finish_reason", "usage", "error", "model"],
        );
        has(&message["author"], &["id", "name", "kind"], &[]);
        assert_eq!(message["session_id"], json!(scene.session));
        is_ours(&message["run_id"]);
        is_a_time(&message["created_at"]);
    }
    assert_eq!(messages[0]["id"], json!(asked));
    assert_eq!(messages[0]["author"]["name"], "ada");
    is_ours(&messages[1]["id"]);
    let body = json!({"session_id": scene.session, "id": asked, "text": "Why?"});
    let reply = scene.ada.post("/chat/message", body).await.ok(200);
    has(&reply, &["session_id", "message", "reply"], &[]);
    assert_eq!((&reply["message"], &reply["reply"]), (&messages[0], &messages[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_fifty_items_unless_told_otherwise() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    for _ in 0..101 {
        ada.session().await;
    }
    for (query, count) in [("", 50), ("?limit=1", 1), ("?limit=100", 100)] {
        let page = ada.get(&format!("/sessions{query}")).await.ok(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
        assert!(page["next_cursor"].is_string());
    }
}

async fn readiness(app: &TestApp) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = http.get(format!("http://{}/health/ready", app.addr)).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_version_is_not_ready() {
    let app = TestApp::builder().start().await;
    assert_eq!(readiness(&app).await.0, 200);
    app.execute("DELETE FROM refinery_schema_history WHERE version = 2").await;
    let (status, body) = readiness(&app).await;
    assert_eq!((status, &body["checks"]["database"]), (503, &json!("ok")), "{body}");
    assert_ne!(body["checks"]["migrations"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_is_alive_and_not_ready() {
    let mut scene = Scene::start().await;
    scene.socket.ask("A last word?").await;
    let call = scene.app.model.call().await;
    let (addr, mut socket) = (scene.app.addr, scene.socket);
    let watching = tokio::spawn(async move {
        socket.control("draining").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |path: &str| http.get(format!("http://{addr}/health/{path}")).send().await.unwrap();
        let ready = get("ready").await;
        assert_eq!(ready.status(), 503);
        let body: Value = ready.json().await.unwrap();
        assert_eq!(
            (&body["checks"]["serving"], &body["checks"]["database"]),
            (&json!("draining"), &json!("ok"))
        );
        assert_eq!(get("live").await.status(), 200);
        call.answer("Yes").await;
        assert_eq!(socket.closed().await, 1012);
    });
    scene.app.stop().await;
    watching.await.unwrap();
}

fn fynq(arguments: &[&str], dir: &Scratch) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fynq"));
    command.args(arguments).env_clear().current_dir(&dir.0).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_makes_the_schema_and_stops() {
    let (database, dir) = (pg::Db::empty().await, Scratch::new());
    let migrate = async || {
        let out = fynq(&["migrate"], &dir).env("DATABASE_URL", database.url()).output().await.unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let ran = migrate().await;
    assert!(ran.contains("migrations ran") && !ran.starts_with("0 "), "{ran}");
    let ran = migrate().await;
    assert!(ran.starts_with("0 migrations ran"), "{ran}");
    let messages = "SELECT count(*) FROM messages";
    let count: i64 = database.client().await.query_typed_one(messages, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

/// The Gemini emulator alone: no database, no data directory, no settings.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_model_speaks_the_wire_format_alone() {
    let dir = Scratch::new();
    let mut command = fynq(&["demo-model", "--listen", "127.0.0.1:0"], &dir);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    let path = format!("{url}/v1beta/models/gemini-x:streamGenerateContent?alt=sse");
    let ask = json!({"contents": [{"role": "user", "parts": [{"text": "What is a prime?"}]}]});
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    let request = http.post(path).header("x-goog-api-key", new_id()).json(&ask);
    let text = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
    assert!(text.starts_with("data: {") && text.contains("\"finishReason\":"), "{text}");
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0, "it leaves nothing behind");
}
