//! What goes wrong elsewhere: the model, and PostgreSQL.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::{Builder, Scene, TestApp};
use crate::support::model::Call;
use crate::support::pg;
use crate::support::socket::new_id;

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

/// What waits for a database that is away is refused, whatever the command; afterwards it has left no trace,
/// and the same command is taken.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_a_repetition_and_a_raised_hand_are_refused_while_the_database_is_away() {
    let mut scene = Scene::of(TestApp::builder().database_proxy()).await;
    let first = scene.turn("one", "1").await;
    let before = scene.ada.messages(&scene.session).await;
    let head = scene.socket.log.seq;
    let database = scene.app.database_proxy.take().unwrap();
    database.refuse();
    scene.app.database_is_up(false).await;
    let [edit, regenerate, raise] = [new_id(), new_id(), new_id()];
    let commands = [
        (&edit, json!({"type": "edit", "id": edit, "message": first, "text": "uno"})),
        (&regenerate, json!({"type": "regenerate", "id": regenerate})),
        (&raise, json!({"type": "raise_hand", "id": raise})),
    ];
    for (id, command) in &commands {
        scene.socket.send(command.clone()).await;
        let refused = scene.socket.refusal(id).await;
        assert_eq!(refused["code"], "storage_unavailable", "{command}");
        assert!(refused["retry_after_ms"].as_u64().unwrap() > 0, "{refused}");
    }
    database.heal();
    scene.app.database_is_up(true).await;
    scene.socket.round_trip().await;
    assert_eq!(scene.socket.log.seq, head);
    assert!(!scene.app.model.was_called());
    assert_eq!(scene.ada.messages(&scene.session).await, before);
    assert_eq!(scene.app.count("SELECT count(*) FROM messages").await, 2);
    assert_eq!(scene.app.count("SELECT count(*) FROM sessions WHERE hand_raised").await, 0);
    assert_eq!(scene.second().await.ready["state"]["hand_raised"], false);

    for (_, command) in commands {
        scene.socket.send(command).await;
    }
    scene.socket.accepted(&edit).await;
    for answer in ["uno", "eins"] {
        scene.app.model.call().await.answer(answer).await;
        scene.socket.run_end().await;
    }
    let contents: Vec<Value> =
        scene.ada.messages(&scene.session).await.into_iter().map(|m| m["content"].clone()).collect();
    assert_eq!(contents, ["uno", "eins"]);
    assert_eq!(scene.second().await.ready["state"]["hand_raised"], true);
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

/// A run with its words so far on the screen.
async fn speaking(builder: Builder) -> (Scene, Call) {
    let mut scene = Scene::of(builder).await;
    scene.socket.ask("Hello?").await;
    let mut call = scene.app.model.call().await;
    call.text("I ").await;
    scene.socket.answer_so_far("I ").await;
    (scene, call)
}

/// The run goes on to its end, and what was shown is what is stored.
async fn goes_on(scene: &mut Scene, mut call: Call) {
    assert!(call.text("go on").await, "the upstream call was closed");
    call.finish("STOP").await;
    assert_eq!(scene.socket.run_end().await["type"], "RUN_FINISHED");
    let answer = &scene.ada.messages(&scene.session).await[1];
    assert_eq!((&answer["content"], &answer["status"]), (&json!("I go on"), &json!("complete")));
    assert_eq!(scene.socket.log.answer().text, "I go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_the_database_cannot_take_changes_nothing() {
    let (mut scene, call) = speaking(TestApp::builder()).await;
    scene
        .app
        .execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'no room' USING ERRCODE = 'disk_full'; END $$;
             CREATE TRIGGER full_disk BEFORE DELETE ON sessions EXECUTE FUNCTION full_disk()",
        )
        .await;
    let path = format!("/sessions/{}", scene.session);
    scene.ada.delete(&path).await.assert_problem(503, "storage_unavailable");
    goes_on(&mut scene, call).await;
    scene.app.execute("DROP TRIGGER full_disk ON sessions").await;
    scene.ada.delete(&path).await.ok(204);
    assert_eq!(scene.socket.closed().await, 4404);
}

/// The connection ends under a deletion that waits: for the rows, or, `deleted`, inside its COMMIT,
/// which then still takes effect.
async fn cut_in_mid_deletion(deleted: bool) -> (Scene, Call) {
    let (scene, call) = speaking(TestApp::builder().database_proxy()).await;
    let mut sql = scene.app.database.client().await;
    sql.batch_execute(
        "CREATE TABLE gate (); \
         CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         'BEGIN LOCK TABLE gate; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER pass AFTER DELETE ON sessions DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION pass()",
    )
    .await
    .unwrap();
    let lock = sql.transaction().await.unwrap();
    let (table, statement) = if deleted { ("gate", "COMMIT") } else { ("sessions", "DELETE FROM sessions%") };
    lock.batch_execute(&format!("LOCK TABLE {table} IN SHARE MODE")).await.unwrap();
    let (ada, path) = (scene.ada.clone(), format!("/sessions/{}", scene.session));
    let deletion = tokio::spawn(async move { ada.delete(&path).await });
    let waiting = format!(
        "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
         AND query LIKE '{statement}'"
    );
    while scene.app.count(&format!("SELECT count(*) {waiting}")).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.app.database_proxy.as_ref().unwrap().refuse();
    deletion.await.unwrap().assert_problem(503, "storage_unavailable");
    if !deleted {
        scene.app.count(&format!("SELECT count(pg_terminate_backend(pid)) {waiting}")).await;
    }
    lock.rollback().await.unwrap();
    while scene.app.count(&format!("SELECT count(*) {waiting}")).await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.app.database_proxy.as_ref().unwrap().heal();
    (scene, call)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_cut_off_loses_nothing_of_what_was_said() {
    let (mut scene, call) = Box::pin(cut_in_mid_deletion(false)).await;
    goes_on(&mut scene, call).await;
}

/// Nobody was told that it went through, so the session has to find out.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_went_through_unseen_ends_the_session() {
    let (mut scene, mut call) = Box::pin(cut_in_mid_deletion(true)).await;
    assert_eq!(scene.socket.closed().await, 4404);
    call.hung_up().await;
    assert_eq!(scene.app.count("SELECT count(*) FROM sessions").await, 0);
    scene.ada.delete(&format!("/sessions/{}", scene.session)).await.assert_problem(404, "not_found");
}
