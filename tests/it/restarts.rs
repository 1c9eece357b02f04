//! What was said before a restart, and what is said again after it: contract 3.1 and 3.2.

use fynq::session::OpenError;
use serde_json::{Value, json};

use crate::support::app::{Scene, TestApp};
use crate::support::frame::Transcript;
use crate::support::process::Stage;
use crate::support::socket::{Socket, new_id};

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_waited_is_answered_after_a_crash() {
    let mut stage = Stage::start().await;
    let Stage { process, model, ada, session, .. } = &mut stage;
    let mut socket = ada.socket(session).await;
    let first = socket.ask("one").await;
    model.call().await.answer("1").await;
    socket.run_end().await;
    socket.ask("two").await;
    let mut call = model.call().await;
    call.text("It goes on ").await;
    socket.answer_so_far("It goes on ").await;
    let before: Vec<Value> =
        ada.messages(session).await.into_iter().map(|message| message["id"].clone()).collect();
    assert_eq!(before.len(), 4);
    let id = new_id();
    let edit = json!({"type": "edit", "id": id, "message": first, "text": "uno"});
    socket.send(edit.clone()).await;
    socket.accepted(&id).await;
    process.kill().await;
    call.hung_up().await;
    process.restart().await;

    // Answered with nobody there to ask for it, and of what it supersedes the model hears nothing.
    let call = model.call().await;
    assert_eq!(call.turns(), [("user".to_owned(), "uno".to_owned())]);
    let epoch = ada.socket(session).await.epoch.clone();
    let mut socket = ada.resume(session, &epoch, Transcript::default()).await;
    let started = socket.event("RUN_STARTED").await;
    assert_eq!(started["metadata"]["fynq"]["supersedes"], json!(before));
    call.answer("eins").await;
    assert_eq!(socket.run_end().await["type"], "RUN_FINISHED");
    let messages = ada.messages(session).await;
    let told: Vec<_> = messages.iter().map(|m| (m["content"].as_str(), m["status"].as_str())).collect();
    assert_eq!(told, [(Some("uno"), Some("complete")), (Some("eins"), Some("complete"))]);
    assert_eq!(messages[0]["id"], json!(id));
    socket.send(edit).await;
    socket.accepted(&id).await;
    socket.round_trip().await;
    assert!(!model.was_called());
}

/// What waits is woken at the start; if PostgreSQL goes away in that moment, when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_woken_however_long_the_database_is_away() {
    let mut scene = Scene::of(TestApp::builder().database_proxy()).await;
    let (waits, student) = (scene.ada.session().await, &scene.ada.user_id);
    let queued = format!(
        "INSERT INTO messages \
             (session_id, id, ord, run_id, role, author_id, author_kind, content, status, created_at) \
         SELECT '{waits}', gen_random_uuid(), 4611686018427388000, gen_random_uuid(), 'user', '{student}', \
                'student', 'Still there?', 'queued', now()"
    );
    scene.app.execute(&queued).await;
    let database = scene.app.database_proxy.take().unwrap();
    database.refuse();
    let sessions = scene.app.server().app().sessions.clone();
    let id = fynq::id::Uuid::parse_str(&waits).unwrap();
    let waking = tokio::spawn({
        let sessions = sessions.clone();
        async move { sessions.wake(vec![id]).await }
    });
    // The first attempt has failed when another one does.
    assert_eq!(sessions.open(id).await.err(), Some(OpenError::Unavailable));
    assert!(!waking.is_finished() && !scene.app.model.was_called());
    database.heal();
    let call = scene.app.model.call().await;
    assert_eq!(call.turns(), [("user".to_owned(), "Still there?".to_owned())]);
    call.answer("Yes").await;
    waking.await.unwrap();
}

/// One that cannot be woken, because its row cannot be read, keeps no other waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_woken_keeps_no_other_waiting() {
    let mut scene = Scene::start().await;
    let (broken, waits, student) = (scene.ada.session().await, scene.ada.session().await, &scene.ada.user_id);
    for (session, usage) in [(&broken, "'\"none\"'"), (&waits, "NULL")] {
        let queued = format!(
            "INSERT INTO messages \
                 (session_id, id, ord, run_id, role, author_id, author_kind, content, status, usage, created_at) \
             SELECT '{session}', gen_random_uuid(), 4611686018427388000, gen_random_uuid(), 'user', '{student}', \
                    'student', 'Still there?', 'queued', {usage}, now()"
        );
        scene.app.execute(&queued).await;
    }
    let sessions = scene.app.server().app().sessions.clone();
    let ids = [&broken, &waits].map(|id| fynq::id::Uuid::parse_str(id).unwrap());
    assert_eq!(sessions.open(ids[0]).await.err(), Some(OpenError::Unavailable));
    let waking = tokio::spawn(async move { sessions.wake(ids.into()).await });
    scene.app.model.call().await.answer("Yes").await;
    assert!(!waking.is_finished());
    scene.app.stop().await;
    waking.await.unwrap();
}

/// The same session and student after a restart.
async fn restarted(scene: &mut Scene) -> Socket {
    scene.app.stop().await;
    scene.app.start_again().await;
    scene.ada = scene.ada.at(scene.app.addr);
    scene.second().await
}

async fn send(socket: &mut Socket, kind: &str, id: &str) {
    socket.send(json!({"type": kind, "id": id})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_regenerate_is_known_after_a_restart() {
    let mut scene = Scene::start().await;
    scene.turn("Why?", "Because").await;
    let [first, second] = [new_id(), new_id()];
    for (id, answer) in [(&first, "Let us see"), (&second, "What do you think?")] {
        send(&mut scene.socket, "regenerate", id).await;
        scene.app.model.call().await.answer(answer).await;
        scene.socket.run_end().await;
    }
    let mut socket = restarted(&mut scene).await;
    // The first one's answer is superseded by now, the second one's is the last that was given.
    for id in [&first, &second] {
        send(&mut socket, "regenerate", id).await;
    }
    // What is said is heard in order: had one of them been taken for a new wish, its run came first.
    socket.ask("And?").await;
    let call = scene.app.model.call().await;
    assert_eq!(call.turns().last().unwrap().1, "And?");
    call.answer("So").await;
    socket.run_end().await;
    assert_eq!(scene.ada.messages(&scene.session).await[1]["content"], "What do you think?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_stop_is_known_after_a_restart() {
    let mut scene = Scene::start().await;
    scene.socket.ask("one").await;
    let mut call = scene.app.model.call().await;
    call.text("1 ").await;
    scene.socket.answer_so_far("1 ").await;
    let stop = scene.socket.command("stop").await;
    assert_eq!(scene.socket.run_end().await["result"]["finish_reason"], "stopped");

    let mut socket = restarted(&mut scene).await;
    socket.ask("two").await;
    let mut call = scene.app.model.call().await;
    call.text("2 ").await;
    socket.answer_so_far("2 ").await;
    send(&mut socket, "stop", &stop).await;
    // Heard after it, so that it has had its chance.
    let next = socket.ask("three").await;
    socket.accepted(&next).await;
    assert!(call.text("and on").await, "the upstream call was closed");
    call.finish("STOP").await;
    assert_eq!(socket.run_end().await["result"]["finish_reason"], "stop");
    // A stop that is another one stops.
    let mut call = scene.app.model.call().await;
    call.text("3 ").await;
    socket.answer_so_far("3 ").await;
    socket.command("stop").await;
    assert_eq!(socket.run_end().await["result"]["finish_reason"], "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_raised_hand_is_known_after_a_restart() {
    let mut scene = Scene::start().await;
    let raise = scene.socket.command("raise_hand").await;
    assert_eq!(scene.socket.control("state").await["hand_raised"], true);
    scene.socket.command("lower_hand").await;
    assert_eq!(scene.socket.control("state").await["hand_raised"], false);
    let mut socket = restarted(&mut scene).await;
    send(&mut socket, "raise_hand", &raise).await;
    let id = socket.ask("And?").await;
    socket.accepted(&id).await;
    assert_eq!(scene.second().await.ready["state"]["hand_raised"], false);
    // Another hand is another wish.
    socket.command("raise_hand").await;
    let raised = socket.until("the raised hand", |frame| frame.body()["hand_raised"] == json!(true));
    raised.await;
}
