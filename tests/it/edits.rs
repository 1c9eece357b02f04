//! Edits that reach back beyond what a session keeps in memory.

use serde_json::{Value, json};

use crate::support::app::Scene;
use crate::support::client::Client;
use crate::support::socket::{Socket, new_id};

/// Far more than the 400 messages that stay in memory.
const LONG: usize = 600;

/// A session in which so much was said before, by direct SQL: `said 1` asked, `said 2` answered, …
/// Gives the ids in order.
async fn long_session(scene: &mut Scene) -> Vec<String> {
    scene.session = scene.ada.session().await;
    let (session, student) = (&scene.session, &scene.ada.user_id);
    let insert = format!(
        "INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, status, created_at) \
         SELECT '{session}', gen_random_uuid(), n, gen_random_uuid(), \
                CASE WHEN n % 2 = 1 THEN 'user' ELSE 'assistant' END, \
                CASE WHEN n % 2 = 1 THEN '{student}'::uuid END, \
                CASE WHEN n % 2 = 1 THEN 'student' ELSE 'assistant' END, \
                'said ' || n, 'complete', now() \
         FROM generate_series(1, {LONG}) n"
    );
    scene.app.execute(&insert).await;
    scene.socket = scene.second().await;
    everything(&scene.ada, &scene.session).await.into_iter().map(|(id, _)| id).collect()
}

/// Ids and texts of the whole conversation, page after page.
async fn everything(who: &Client, session: &str) -> Vec<(String, String)> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = who.get(&format!("/sessions/{session}/messages?limit=100{cursor}")).await.ok(200);
        all.extend(page["items"].as_array().unwrap().iter().map(|m| (word(m, "id"), word(m, "content"))));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

async fn edit(socket: &mut Socket, message: &str, text: &str) -> String {
    let id = new_id();
    socket.send(json!({"type": "edit", "id": id, "message": message, "text": text})).await;
    id
}

/// What the beginning of the last run named.
fn superseded(socket: &Socket) -> Vec<String> {
    let started = socket.log.events.iter().rev().find(|ev| ev["type"] == "RUN_STARTED").unwrap();
    let named = started["metadata"]["fynq"]["supersedes"].as_array().cloned().unwrap_or_default();
    named.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// `said 1` to `said n`, then these.
fn said(n: usize, then: &[&str]) -> Vec<String> {
    (1..=n).map(|n| format!("said {n}")).chain(then.iter().map(|text| (*text).to_owned())).collect()
}

async fn texts(who: &Client, session: &str) -> Vec<String> {
    everything(who, session).await.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_far_outside_the_window_is_edited() {
    let mut scene = Scene::start().await;
    let ids = long_session(&mut scene).await;
    let shown = scene.socket.snapshot.take().unwrap();
    assert_eq!((shown["messages"].as_array().unwrap().len(), &shown["has_more"]), (400, &json!(true)));
    let id = edit(&mut scene.socket, &ids[100], "better").await;
    scene.socket.accepted(&id).await;
    let call = scene.app.model.call().await;
    let told: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, said(100, &["better"]), "the prompt goes on where the conversation was cut");
    call.answer("yes").await;
    scene.socket.run_end().await;
    assert_eq!(superseded(&scene.socket), ids[100..], "each one, oldest first");
    let kept = scene.app.count("SELECT count(*) FROM messages WHERE superseded").await;
    assert_eq!(kept, 500, "nothing is deleted");

    // The same in REST, in a snapshot, and after a restart.
    let wanted = said(100, &["better", "yes"]);
    for _ in 0..2 {
        assert_eq!(texts(&scene.ada, &scene.session).await, wanted);
        let shown = scene.second().await.snapshot.unwrap();
        let shown: Vec<String> =
            shown["messages"].as_array().unwrap().iter().map(|m| word(m, "content")).collect();
        assert_eq!(shown, wanted);
        scene.app.stop().await;
        scene.app.start_again().await;
        scene.ada = scene.ada.at(scene.app.addr);
    }
    // What is superseded is known: a repetition of it is no new message.
    let mut socket = scene.second().await;
    socket.send(json!({"type": "send", "id": ids[300], "text": "said 301"})).await;
    socket.accepted(&ids[300]).await;
    socket.round_trip().await;
    assert!(!scene.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_standing_question_of_the_session_cannot_be_edited_however_far_back() {
    let mut scene = Scene::start().await;
    let elsewhere = scene.turn("elsewhere", "1").await;
    let ids = long_session(&mut scene).await;
    scene.app.execute(&format!("UPDATE messages SET superseded = true WHERE id = '{}'", ids[2])).await;
    for (what, target) in [
        ("nobody's", &new_id()),
        ("an answer", &ids[101]),
        ("another session's", &elsewhere),
        ("a superseded one", &ids[2]),
    ] {
        let id = edit(&mut scene.socket, target, "x").await;
        let refused = scene.socket.refusal(&id).await;
        assert_eq!(refused["code"], "invalid_command", "{what}");
        assert_eq!(refused["message"], "`message` is no question of yours in this session", "{what}");
    }
    scene.socket.round_trip().await;
    assert_eq!(everything(&scene.ada, &scene.session).await.len(), LONG - 1);
    assert!(!scene.app.model.was_called());
}

/// The question is in memory when it is edited, and gone from there when the edit's run begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_leaves_the_window_while_its_edit_waits_is_superseded_all_the_same() {
    let mut scene = Scene::start().await;
    scene.turn("one", "1").await;
    let second = scene.turn("two", "2").await;
    scene.socket.ask("three").await;
    let call = scene.app.model.call().await;
    let id = edit(&mut scene.socket, &second, "zwei").await;
    scene.socket.accepted(&id).await;
    let behind = scene.socket.ask("behind it").await;
    scene.socket.accepted(&behind).await;
    // More than the 256 KiB that stay in memory.
    call.answer(&"many words ".repeat(30_000)).await;
    scene.socket.run_end().await;
    let call = scene.app.model.call().await;
    let told: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, ["one", "1", "zwei"]);
    call.answer("II").await;
    scene.socket.run_end().await;
    assert_eq!(superseded(&scene.socket).len(), 4);
    scene.app.model.call().await.answer("yes").await;
    scene.socket.run_end().await;
    assert_eq!(texts(&scene.ada, &scene.session).await, ["one", "1", "zwei", "II", "behind it", "yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_waits_over_a_restart_supersedes_then() {
    for target in [100, LONG - 2] {
        let mut scene = Scene::start().await;
        let ids = long_session(&mut scene).await;
        scene.socket.ask("last").await;
        let mut call = scene.app.model.call().await;
        call.text("I ").await;
        scene.socket.answer_so_far("I ").await;
        let id = edit(&mut scene.socket, &ids[target], "better").await;
        scene.socket.accepted(&id).await;
        let mut socket = scene.socket;
        let ending = tokio::spawn(async move {
            socket.control("draining").await;
            call.finish("STOP").await;
            socket.closed().await;
        });
        scene.app.stop().await;
        ending.await.unwrap();

        scene.app.start_again().await;
        let call = scene.app.model.call().await;
        assert_eq!(call.turns().last().unwrap().1, "better");
        let ada = scene.ada.at(scene.app.addr);
        let mut socket = ada.socket(&scene.session).await;
        call.answer("yes").await;
        socket.run_end().await;
        assert_eq!(texts(&ada, &scene.session).await, said(target, &["better", "yes"]));
    }
}

/// It was accepted, so it is done, and only when it is known what it supersedes.
#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_edit_waits_until_the_past_can_be_read() {
    let mut scene = Scene::start().await;
    let ids = long_session(&mut scene).await;
    scene.socket.ask("last").await;
    let call = scene.app.model.call().await;
    let id = edit(&mut scene.socket, &ids[100], "better").await;
    scene.socket.accepted(&id).await;
    // The end of a run can be written; what came before cannot be read.
    scene.app.execute("ALTER TABLE messages RENAME COLUMN edits TO not_now").await;
    call.answer("1").await;
    scene.socket.run_end().await;
    scene.socket.round_trip().await;
    let shown = scene.second().await.snapshot.unwrap();
    assert_eq!(shown["messages"].as_array().unwrap().last().unwrap()["status"], "queued");
    assert!(!scene.app.model.was_called());
    scene.app.execute("ALTER TABLE messages RENAME COLUMN not_now TO edits").await;
    scene.app.model.call().await.answer("yes").await;
    scene.socket.run_end().await;
    assert_eq!(texts(&scene.ada, &scene.session).await, said(100, &["better", "yes"]));
}
