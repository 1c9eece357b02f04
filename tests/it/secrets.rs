//! Secrets that lie in files: `NAME_FILE`.

use std::process::Output;

use tokio::process::Command;

use crate::support::app::{Scene, Scratch, TestApp};
use crate::support::client::Client;
use crate::support::model::Model;
use crate::support::pg;
use crate::support::process::Process;
use crate::support::socket::PATIENCE;

/// A start that is to end by itself.
async fn started(dir: &Scratch, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fynq"));
    command.env_clear().envs(settings.iter().copied()).current_dir(&dir.0).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("it goes on").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_may_lie_in_a_file() {
    let (dir, database, model) = (Scratch::new(), pg::Db::new().await, Model::start().await);
    let file = |name: &str, text: &str| {
        let path = dir.0.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.display().to_string()
    };
    let (url, key) = (file("url", &database.app_url()), file("key", "a-key"));
    let (metrics, token) = (file("metrics", "sixteen-or-more-characters"), file("token", &"s".repeat(32)));
    let password = file("password", "a long one of the admin's");
    let (base_url, data) = (model.url(), dir.0.display().to_string());
    let process = Process::start(&[
        ("DATABASE_URL_FILE", &url),
        ("GEMINI_API_KEY_FILE", &key),
        ("FYNQ_METRICS_TOKEN_FILE", &metrics),
        ("FYNQ_TOKEN_SECRET_FILE", &token),
        ("FYNQ_ADMIN_EMAIL", "principal@school.example"),
        ("FYNQ_ADMIN_PASSWORD_FILE", &password),
        ("GEMINI_BASE_URL", &base_url),
        ("FYNQ_DATA_DIR", &data),
    ])
    .await;
    let mut principal = Client::stranger(process.addr);
    principal.email = "principal@school.example".into();
    principal.password = "a long one of the admin's".into();
    let principal = principal.login().await;
    let metrics = |client: &Client| client.request_at(http::Method::GET, "/metrics").send();
    let operator = principal.with_token("sixteen-or-more-characters");
    assert_eq!(metrics(&operator).await.unwrap().status(), 200);
    assert_eq!(metrics(&principal).await.unwrap().status(), 401);
    assert!(!dir.0.join("token-secret").exists(), "the secret is the file's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_set_twice_or_cannot_be_read_stops_the_start_with_one_line() {
    let dir = Scratch::new();
    std::fs::write(dir.0.join("empty"), "\n").unwrap();
    std::fs::write(dir.0.join("key"), "hunter2").unwrap();
    for (settings, told) in [
        (&[("GEMINI_API_KEY", "hunter2"), ("GEMINI_API_KEY_FILE", "key")][..], "GEMINI_API_KEY: is set, and"),
        (&[("GEMINI_API_KEY_FILE", "nowhere")], "GEMINI_API_KEY_FILE: nowhere: "),
        (&[("GEMINI_API_KEY_FILE", ".")], "GEMINI_API_KEY_FILE: .: is no file"),
        (&[("FYNQ_TOKEN_SECRET_FILE", "empty")], "FYNQ_TOKEN_SECRET_FILE: empty is empty"),
        (&[("FYNQ_TOKEN_SECRET_FILE", "key")], "FYNQ_TOKEN_SECRET: shorter than 32 bytes"),
    ] {
        let out = started(&dir, settings).await;
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(told) && said.contains("example: ") && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_of_the_model_has_the_new_key() {
    let dir = Scratch::new();
    let file = dir.0.join("key");
    std::fs::write(&file, "the-first-key\n").unwrap();
    let builder = TestApp::builder().settings(|s| s.model.api_key_file = Some(file.clone()));
    let mut scene = Scene::of(builder).await;
    for (text, key) in [
        (None, "the-first-key"),
        (Some("the-second-key\n"), "the-second-key"),
        // No key that a header could carry: the last good one stays.
        (Some("two\nlines\n"), "the-second-key"),
        (Some("the-third-key"), "the-third-key"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        scene.socket.ask("Hello?").await;
        let call = scene.app.model.call().await;
        assert_eq!(call.key.as_deref(), Some(key));
        call.answer("Hello!").await;
        scene.socket.run_end().await;
    }
}
