//! What goes wrong elsewhere: the model, and PostgreSQL.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{Builder, Scene, TestApp};
use crate::support::model::Call;
use crate::support::pg;

fn impatient() -> Builder {
    TestApp::builder().settings(|s| {
        s.model.first_byte_timeout = Duration::from_millis(400);
        s.model.idle_timeout = Duration::from_millis(400);
        s.model.answer_timeout = Duration::from_secs(5);
    })
}

/// After a fault: the run has ended with `code`, the text is what was shown, and it all goes on.
async fn ends_with(scene: &mut Scene, code: &str, text: &str) {
    let end = scene.socket.run_end().await;
    assert_eq!((&end["type"], &end["code"]), (&json!("RUN_ERROR"), &json!(code)), "{end}");
    assert!(end["message"].is_string());
    scene.socket.log.assert_at_rest();
    let stored = scene.ada.messages(&scene.session).await.pop().unwrap();
    assert_eq!((&stored["content"], &stored["status"]), (&json!(text), &json!("failed")), "{code}");
    assert_eq!(stored["error"], code);
    assert_eq!(scene.socket.log.answer().text, text);
    // A reload shows it, and trying again works.
    let reloaded = scene.second().await;
    assert_eq!(reloaded.snapshot.unwrap()["messages"].as_array().unwrap().last(), Some(&stored));
    scene.socket.command("regenerate").await;
    scene.app.model.call().await.answer("at last").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["type"], "RUN_FINISHED", "{end}");
    assert_eq!(scene.socket.log.answer().text, "at last");
}

async fn asked() -> (Scene, Call) {
    let mut scene = Scene::of(impatient()).await;
    scene.socket.ask("Well?").await;
    let call = scene.app.model.call().await;
    (scene, call)
}

fn refusal(status: &str, code: u16) -> Value {
    json!({"error": {"code": code, "message": "said the model's host", "status": status}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_model_is_model_rate_limited() {
    let (mut scene, call) = asked().await;
    call.refuse(429, refusal("RESOURCE_EXHAUSTED", 429));
    ends_with(&mut scene, "model_rate_limited", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_down_is_model_unavailable() {
    let (mut scene, call) = asked().await;
    call.refuse(503, refusal("UNAVAILABLE", 503));
    ends_with(&mut scene, "model_unavailable", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_says_nothing_is_model_timeout() {
    let (mut scene, _silent) = asked().await;
    ends_with(&mut scene, "model_timeout", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_falls_silent_is_model_timeout_with_its_text_kept() {
    let (mut scene, mut call) = asked().await;
    call.text("As I was say").await;
    ends_with(&mut scene, "model_timeout", "As I was say").await;
    call.hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_model_truncated() {
    let (mut scene, mut call) = asked().await;
    call.text("Half a sen").await;
    call.end_early();
    ends_with(&mut scene, "model_truncated", "Half a sen").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_no_words_is_model_empty() {
    let (mut scene, call) = asked().await;
    call.finish("STOP").await;
    ends_with(&mut scene, "model_empty", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_model_bad_response() {
    let (mut scene, mut call) = asked().await;
    call.raw("data: {\"candidates\": [[[\r\n\r\n").await;
    ends_with(&mut scene, "model_bad_response", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_question_is_content_blocked() {
    let (mut scene, mut call) = asked().await;
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-test"});
    call.raw(format!("data: {blocked}\r\n\r\n")).await;
    call.end_early();
    ends_with(&mut scene, "content_blocked", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_inside_an_answer_is_an_error() {
    let (mut scene, mut call) = asked().await;
    call.text("So far ").await;
    call.raw(format!("data: {}\r\n\r\n", refusal("UNAVAILABLE", 503))).await;
    ends_with(&mut scene, "model_unavailable", "So far ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_is_tried_again_before_the_first_word() {
    let mut scene = Scene::of(TestApp::builder().settings(|s| s.model.attempts = 3)).await;
    scene.socket.ask("Well?").await;
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"});
    let mut busy = refusal("RESOURCE_EXHAUSTED", 429);
    busy["error"]["details"] = json!([retry]);
    scene.app.model.call().await.refuse(429, busy);
    scene.app.model.call().await.refuse(503, refusal("UNAVAILABLE", 503));
    scene.app.model.call().await.answer("Third time lucky").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["type"], "RUN_FINISHED", "{end}");
    assert_eq!(scene.socket.log.runs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_first_word_nothing_is_tried_again() {
    let mut scene = Scene::of(TestApp::builder().settings(|s| s.model.attempts = 3)).await;
    scene.socket.ask("Well?").await;
    let mut call = scene.app.model.call().await;
    call.text("Once ").await;
    scene.socket.answer_so_far("Once ").await;
    call.end_early();
    let end = scene.socket.run_end().await;
    assert_eq!(end["code"], "model_truncated");
    assert!(!scene.app.model.was_called());
    assert_eq!(scene.socket.log.answer().text, "Once ");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_commands_are_refused_and_a_running_answer_goes_on() {
    let mut scene = Scene::of(TestApp::builder().database_proxy()).await;
    scene.socket.ask("Before").await;
    let mut call = scene.app.model.call().await;
    call.text("I ").await;
    scene.socket.answer_so_far("I ").await;
    let database = scene.app.database_proxy.take().unwrap();
    database.refuse();
    // What is sent into a dying connection may have been committed, so it has no answer until that
    // is known; what comes after the outage was noticed is refused.
    scene.app.database_is_up(false).await;

    let late = scene.socket.ask("During").await;
    let refused = scene.socket.refusal(&late).await;
    assert_eq!(refused["code"], "storage_unavailable");
    assert!(refused["retry_after_ms"].as_u64().unwrap() > 0, "{refused}");
    call.text("go ").await;
    call.text("on").await;
    call.finish("STOP").await;
    scene.socket.answer_so_far("I go on").await;
    // Its end is not announced: nobody could promise it. (The ping comes through, the end does not.)
    scene.socket.round_trip().await;
    assert!(!scene.socket.log.shape().contains(&"RUN_FINISHED"));
    // A session that is not in memory cannot be opened, and says why.
    let reply = scene.ada.get(&format!("/sessions/{}/messages", scene.session)).await;
    reply.assert_problem(503, "storage_unavailable");

    database.heal();
    let end = scene.socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "stop");
    assert_eq!(scene.ada.messages(&scene.session).await[1]["content"], "I go on");
    // The refused command had no effect, and the same one is taken now.
    scene.socket.send(json!({"type": "send", "id": late, "text": "During"})).await;
    scene.socket.accepted(&late).await;
    scene.app.model.call().await.answer("back").await;
    scene.socket.run_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_in_mid_run_loses_nothing_that_was_said() {
    let database = pg::PrivatePg::start().await;
    let url = database.url().to_owned();
    let mut scene = Scene::of(TestApp::builder().database_url(&url)).await;
    let id = scene.socket.ask("Survive?").await;
    scene.socket.accepted(&id).await;
    let mut call = scene.app.model.call().await;
    call.text("Of ").await;
    scene.socket.answer_so_far("Of ").await;
    database.kill();
    call.text("course").await;
    call.finish("STOP").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["type"], "RUN_FINISHED", "{end}");
    // The last server's processes may have written that; the next one is about to start.
    scene.app.database_is_up(true).await;
    let messages = loop {
        let reply = scene.ada.get(&format!("/sessions/{}/messages", scene.session)).await;
        if reply.status == 200 {
            break reply.body["items"].clone();
        }
        reply.assert_problem(503, "storage_unavailable");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((&messages[0]["id"], &messages[1]["content"]), (&json!(id), &json!("Of course")));
    scene.app.stop().await;
}

/// Also with an answer under way that cannot be written, nobody waits for ever for a server to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_does_not_hold_up_the_stop() {
    let builder = TestApp::builder().database_proxy().settings(|s| s.drain = Duration::from_millis(500));
    let mut scene = Scene::of(builder).await;
    scene.socket.ask("Hello?").await;
    let mut call = scene.app.model.call().await;
    call.text("I ").await;
    scene.socket.answer_so_far("I ").await;
    scene.app.database_proxy.as_ref().unwrap().silence();
    let begun = std::time::Instant::now();
    scene.app.stop().await;
    // What comes after the drain: 3 s to write, 2.5 for sockets, 0.5 for requests, 3 for the database.
    assert!(begun.elapsed() < Duration::from_millis(9_500), "{:?}", begun.elapsed());
}
