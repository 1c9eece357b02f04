//! What only the real process can show: starting, dying, being told to stop.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::app::Scratch;
use crate::support::client::Client;
use crate::support::lesson::{order, person, say, whisper};
use crate::support::pg;
use crate::support::process::{Process, Stage};
use crate::support::school::make_class;
use crate::support::socket::PATIENCE;

fn fynq(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let scratch = Scratch::new();
    Command::new(env!("CARGO_BIN_EXE_fynq"))
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(settings.iter().copied())
        .current_dir(&scratch.0)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_bad_setting_stops_the_start_with_one_line() {
    for (name, value) in
        [("FYNQ_LISTEN", "nowhere"), ("REDIS_URL", "redis://x"), ("GEMINI_API_KEY", "hunter2 ")]
    {
        let out = fynq(&[], &[(name, value)]);
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(name) && said.contains("example") && !said.contains("hunter2"), "{said}");
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn an_env_file_is_read_and_the_environment_wins() {
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join(".env"), "FYNQ_LISTEN=from-file\n").unwrap();
    let run = |listen: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fynq"));
        // The doctor reads settings as the server does, and always comes to an end.
        command.arg("doctor").env_clear().current_dir(&scratch.0);
        command.envs(listen.map(|text| ("FYNQ_LISTEN", text)));
        text(&command.output().unwrap().stdout)
    };
    assert!(run(None).contains("FYNQ_LISTEN: not an IP address"));
    std::fs::write(scratch.0.join(".env"), "FYNQ_LISTEN=127.0.0.1:8080\n").unwrap();
    assert!(run(Some("from-environment")).contains("FYNQ_LISTEN: not an IP address"));
}

#[test]
fn the_help_lists_every_setting() {
    let said = text(&fynq(&["--help"], &[]).stdout);
    for setting in fynq::config::SETTINGS {
        assert!(said.contains(setting.name), "{}", setting.name);
    }
}

#[test]
fn openapi_is_printed_without_any_setting() {
    let out = fynq(&["openapi"], &[("FYNQ_LISTEN", "nonsense")]);
    assert!(out.status.success());
    let document: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert!(document["paths"]["/api/v1/sessions"].is_object());
}

#[test]
fn the_doctor_reports_and_changes_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.0.join("data");
    let dir = dir.to_str().unwrap();
    let out = fynq(&["doctor", "--json"], &[("FYNQ_DATA_DIR", dir), ("FYNQ_LISTEN", "127.0.0.1:0")]);
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["checks"].as_array().unwrap().len() > 4, "{report}");
    assert!(!std::path::Path::new(dir).exists());
    let out = fynq(&["doctor"], &[("FYNQ_LISTEN", "nowhere")]);
    assert_eq!(out.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_knows_a_database_from_an_unmigrated_one() {
    let database = pg::Db::new().await;
    let url = database.url().to_owned();
    let look = async |url: String| {
        let out = tokio::task::spawn_blocking(move || {
            fynq(&["doctor", "--json"], &[("DATABASE_URL", &url), ("FYNQ_LISTEN", "127.0.0.1:0")])
        });
        let report: serde_json::Value = serde_json::from_slice(&out.await.unwrap().stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["what"] == "schema").expect("a check of the schema")
    };
    assert_eq!(look(url.clone()).await["verdict"], "good");
    database.client().await.batch_execute("DROP TABLE refinery_schema_history").await.unwrap();
    assert_eq!(look(url).await["verdict"], "note");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_mid_run_it_comes_back_with_everything_that_was_acknowledged() {
    let mut stage = Stage::start().await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    let asked = socket.ask("What is light?").await;
    let mut call = model.call().await;
    call.text("A wave, ").await;
    call.text("and a ").await;
    socket.answer_so_far("A wave, and a ").await;
    let waiting = socket.ask("Which?").await;
    socket.accepted(&waiting).await;
    // The checkpoint is on its way; a crash may cost what comes after it.
    let saved = async {
        while !ada.messages(session).await.iter().any(|message| message["content"] == "A wave, and a ") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), saved).await.expect("no checkpoint");
    let (epoch, seen) = (socket.epoch.clone(), socket.drop_connection());
    process.kill().await;
    call.hung_up().await;
    process.restart().await;

    // The run that had begun is interrupted and not run again; what waited is answered by itself.
    let call = model.call().await;
    let turns: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(turns.last().map(String::as_str), Some("Which?"), "{turns:?}");
    call.answer("Both").await;
    let mut socket = ada.resume(session, &epoch, seen).await;
    assert_eq!(socket.ready["resumed"], false);
    if socket.ready["state"]["run"].is_string() {
        socket.run_end().await;
    }
    let messages = ada.messages(session).await;
    let told: Vec<_> =
        messages.iter().map(|m| (m["content"].as_str().unwrap(), m["status"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("What is light?", "complete"),
            ("A wave, and a ", "interrupted"),
            ("Which?", "complete"),
            ("Both", "complete")
        ]
    );
    assert_eq!(messages[0]["id"], json!(asked));
    assert_eq!(messages[1]["error"], "interrupted");
    // Repeated after the crash: known.
    socket.send(json!({"type": "send", "id": asked, "text": "What is light?"})).await;
    socket.accepted(&asked).await;
    socket.round_trip().await;
    assert!(!model.was_called());
    let output = process.output();
    assert!(!output.contains("What is light") && !output.contains("wave"), "words in the log: {output}");
    assert!(!output.contains(&ada.token), "a token in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_tutor_holds_it_is_held_again_and_lapses_when_nobody_comes() {
    let mut stage = Stage::with(&[("FYNQ_LAPSE_S", "8")]).await;
    let tia = Client::register(stage.process.addr, "tia").await;
    let sql = stage.database.client().await;
    let promote = format!("UPDATE users SET role = 'tutor' WHERE id = '{}'", tia.user_id);
    sql.batch_execute(&promote).await.unwrap();
    let (_, code) = make_class(&tia, "7b").await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    ada.post("/classes/join", json!({"code": code})).await.ok(200);
    let until = async |query: &str, wanted: i64| {
        let so = async {
            while sql.query_typed_one(query, &[]).await.unwrap().get::<_, i64>(0) != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("never {wanted}: {query}"));
    };
    let held = "SELECT count(*) FROM sessions WHERE control = 'tutor'";
    let waiting = "SELECT count(*) FROM whispers WHERE state = 'waiting'";
    let mut socket = tia.socket(session).await;
    whisper(&mut socket, "Kestrel: slower").await;
    order(&mut socket, "whisper", json!({"text": "Kestrel: kindly", "until": "withdrawn"})).await;
    until(waiting, 2).await;
    socket.command("take_over").await;
    until(held, 1).await;
    process.kill().await;
    process.restart().await;

    // Her page comes back as after a reload: she holds it, and what she whispered waits.
    let mut student = ada.socket(session).await;
    assert_eq!(student.ready["state"]["tutor"], person(&tia));
    let mut socket = tia.socket(session).await;
    assert_eq!(socket.ready["state"]["tutor"], person(&tia));
    let guidance = socket.control("guidance").await;
    let texts: Vec<_> = guidance["items"].as_array().unwrap().iter().map(|item| &item["text"]).collect();
    assert_eq!(texts, ["Kestrel: slower", "Kestrel: kindly"]);
    say(&mut socket, "Here again").await;
    assert_eq!(student.run_end().await["result"]["finish_reason"], "tutor");

    // The second time nobody comes back.
    process.kill().await;
    until(held, 1).await;
    process.restart().await;
    until(held, 0).await;
    until("SELECT count(*) FROM tutor_acts WHERE kind = 'lapsed'", 1).await;
    until(waiting, 2).await;
    let mut student = ada.socket(session).await;
    assert_eq!(student.ready["state"]["control"], "ai");
    student.ask("Are you there?").await;
    let call = model.call().await;
    assert_eq!(call.request.to_string().matches("Kestrel").count(), 2, "{}", call.request);
    call.answer("Yes").await;
    student.run_end().await;
    until(waiting, 1).await;
    assert!(!process.output().contains("Kestrel"), "a whisper in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_finishes_what_runs_and_ends_with_0() {
    let mut stage = Stage::start().await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    socket.ask("Last words?").await;
    let mut call = model.call().await;
    call.text("Good").await;
    socket.answer_so_far("Good").await;
    let since = Instant::now();
    process.terminate();
    assert!(socket.control("draining").await["retry_after_ms"].is_u64());
    call.text("bye").await;
    call.finish("STOP").await;
    assert_eq!(socket.run_end().await["result"]["finish_reason"], "stop");
    assert_eq!(socket.closed().await, 1012);
    let status = process.ended(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    // Nothing was left to wait for: it did not sit out its time.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    process.restart().await;
    assert_eq!(ada.messages(session).await[1]["content"], "Goodbye");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_within_30_seconds_whatever_runs() {
    let mut stage = Stage::with(&[("FYNQ_MODEL_IDLE_TIMEOUT_S", "120")]).await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    socket.ask("For ever?").await;
    let mut call = model.call().await;
    call.text("And ever ").await;
    socket.answer_so_far("And ever ").await;
    process.terminate();
    socket.control("draining").await;
    let status = process.ended(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    let end = socket.run_end().await;
    assert_eq!(end["code"], "interrupted");
    assert_eq!(socket.closed().await, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_twice_to_stop_it_does_not_wait_for_what_runs() {
    let mut stage = Stage::start().await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    socket.ask("For ever?").await;
    let mut call = model.call().await;
    call.text("And ever ").await;
    socket.answer_so_far("And ever ").await;
    process.terminate();
    socket.control("draining").await;
    process.terminate();
    // The drain alone would take 20 s.
    let status = process.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert_eq!(socket.run_end().await["code"], "interrupted");
    assert_eq!(socket.closed().await, 1012);
    process.restart().await;
    let answer = &ada.messages(session).await[1];
    assert_eq!((&answer["content"], &answer["status"]), (&json!("And ever "), &json!("interrupted")));
}

/// SIGTERM is a supervisor's, which starts it again; Ctrl-C is a person's, who promised nothing.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_by_hand_it_says_1001() {
    let mut stage = Stage::start().await;
    let Stage { process, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    process.interrupt();
    assert!(socket.control("draining").await["retry_after_ms"].is_u64());
    assert_eq!(socket.closed().await, 1001);
    let status = process.ended(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_set_it_brings_its_own_database_and_model() {
    let dir = pg::scratch("process");
    let mut process = Process::start(&[("FYNQ_DATA_DIR", dir.to_str().unwrap())]).await;
    let address = format!("http://{}", process.addr);
    process.says(&address).await;
    let said = process.output();
    let line = said.lines().find(|line| line.contains(&address));
    assert!(line.is_some_and(|line| line.contains("practice model")), "{said}");
    let ada = Client::register(process.addr, "ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    socket.ask("What is a prime number?").await;
    socket.event("TEXT_MESSAGE_CONTENT").await;

    // Killed without a word: no PostgreSQL stays behind, and the next start recovers.
    let postmaster = postmaster(&dir).expect("a private PostgreSQL runs");
    process.kill().await;
    let gone = tokio::task::spawn_blocking(move || {
        pg::wait_until("the private PostgreSQL has ended", || !pg::is_alive(postmaster));
    });
    gone.await.unwrap();
    process.restart().await;
    let messages = ada.messages(&session).await;
    assert_eq!(messages[0]["content"], "What is a prime number?");
    assert_eq!(messages[1]["status"], "interrupted");
    process.terminate();
    let status = process.ended(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The first line of the `postmaster.pid` somewhere below.
fn postmaster(dir: &std::path::Path) -> Option<u32> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == "postmaster.pid") {
            return std::fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok();
        }
        if path.is_dir()
            && let Some(found) = postmaster(&path)
        {
            return Some(found);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_on_one_data_directory_do_not_start() {
    let dir = pg::scratch("process");
    let process = Process::start(&[("FYNQ_DATA_DIR", dir.to_str().unwrap())]).await;
    let mut second = Process::spawn(&[("FYNQ_DATA_DIR", dir.to_str().unwrap())]);
    let status = second.ended(Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(1), "{}", second.output());
    assert!(second.output().contains("another fynq"), "{}", second.output());
    drop(process);
    let there = dir.clone();
    let gone = tokio::task::spawn_blocking(move || {
        pg::wait_until("it has ended", || postmaster(&there).is_none_or(|pid| !pg::is_alive(pid)));
    });
    gone.await.unwrap();
    let _ = std::fs::remove_dir_all(&dir);
}
