//! What a student may say on a session socket: contract 3.2.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Scene, TestApp};
use crate::support::frame::Frame;
use crate::support::socket::new_id;

fn supersedes(scene: &Scene) -> Vec<Value> {
    let started = scene.socket.log.events.iter().rev().find(|ev| ev["type"] == "RUN_STARTED").unwrap();
    started["metadata"]["fynq"]["supersedes"].as_array().cloned().unwrap_or_default()
}

async fn contents(scene: &Scene) -> Vec<String> {
    let messages = scene.ada.messages(&scene.session).await;
    messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_takes_effect_once_and_is_accepted_each_time() {
    let mut scene = Scene::start().await;
    let mut second = scene.second().await;
    let id = new_id();
    let send = json!({"type": "send", "id": id, "text": "Once"});
    // At once, from two sockets, while it runs, and after it has ended.
    scene.socket.send(send.clone()).await;
    scene.socket.send(send.clone()).await;
    second.send(send.clone()).await;
    scene.socket.accepted(&id).await;
    scene.socket.accepted(&id).await;
    second.accepted(&id).await;
    let call = scene.app.model.call().await;
    scene.socket.send(send.clone()).await;
    scene.socket.accepted(&id).await;
    call.answer("yes").await;
    scene.socket.run_end().await;
    scene.socket.send(send).await;
    scene.socket.accepted(&id).await;
    scene.socket.round_trip().await;
    assert_eq!(contents(&scene).await, ["Once", "yes"]);
    assert_eq!(scene.socket.log.runs.len(), 1);
    assert!(!scene.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_known_after_a_restart_too() {
    let mut scene = Scene::start().await;
    let id = scene.turn("Once", "yes").await;
    scene.app.stop().await;
    scene.app.start_again().await;
    let ada = scene.ada.at(scene.app.addr);
    let mut socket = ada.socket(&scene.session).await;
    socket.send(json!({"type": "send", "id": id, "text": "Once"})).await;
    socket.accepted(&id).await;
    socket.round_trip().await;
    assert_eq!(ada.messages(&scene.session).await.len(), 2);
    assert!(!scene.app.model.was_called());
}

/// A session that came back from the database may have to ask it about every new id.
#[tokio::test(flavor = "multi_thread")]
async fn messages_keep_their_order_while_their_ids_are_looked_up() {
    let mut scene = Scene::start().await;
    let first = scene.turn("one", "1").await;
    scene.socket.send(json!({"type": "edit", "id": new_id(), "message": first, "text": "uno"})).await;
    scene.app.model.call().await.answer("1").await;
    scene.socket.run_end().await;
    for round in 0..8 {
        scene.app.stop().await;
        scene.app.start_again().await;
        let mut socket = scene.ada.at(scene.app.addr).socket(&scene.session).await;
        let texts = [0, 1, 2].map(|n| format!("{round}.{n}"));
        for text in &texts {
            socket.ask(text).await;
        }
        for text in &texts {
            let call = scene.app.model.call().await;
            assert_eq!(&call.turns().last().unwrap().1, text);
            call.answer("yes").await;
            socket.run_end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_16_kib_is_taken_and_one_byte_more_is_not() {
    let mut scene = Scene::start().await;
    // Two bytes a letter: bytes are counted, not letters.
    let most = "ä".repeat(8 * 1024);
    let id = scene.socket.ask(&most).await;
    scene.socket.accepted(&id).await;
    let id = scene.socket.ask(&format!("{most}!")).await;
    let refused = scene.socket.refusal(&id).await;
    assert_eq!(refused["code"], "text_too_long");
    assert!(refused["message"].is_string());
    scene.socket.round_trip().await;
    assert_eq!(scene.ada.messages(&scene.session).await[0]["content"], json!(most));
}

#[tokio::test(flavor = "multi_thread")]
async fn four_may_wait_and_the_fifth_is_refused() {
    let mut scene = Scene::start().await;
    scene.socket.ask("runs").await;
    let call = scene.app.model.call().await;
    for number in 1..=4 {
        let id = scene.socket.ask(&format!("waits {number}")).await;
        scene.socket.accepted(&id).await;
    }
    let id = scene.socket.ask("one too many").await;
    let refused = scene.socket.refusal(&id).await;
    assert_eq!(refused["code"], "queue_full");
    call.answer("0").await;
    for number in 1..=4 {
        scene.app.model.call().await.answer(&number.to_string()).await;
    }
    for _ in 0..5 {
        scene.socket.run_end().await;
    }
    // Nothing happened to the refused one; the same id may try again.
    scene.socket.send(json!({"type": "send", "id": id, "text": "again"})).await;
    scene.socket.accepted(&id).await;
    assert_eq!(scene.ada.messages(&scene.session).await[10]["content"], "again");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_the_run_keeps_the_text_and_hangs_up_upstream() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Tell me everything").await;
    let mut call = scene.app.model.call().await;
    call.text("It began ").await;
    scene.socket.answer_so_far("It began ").await;
    let waiting = scene.socket.ask("And then?").await;
    scene.socket.accepted(&waiting).await;

    scene.socket.command("stop").await;
    call.hung_up().await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "stopped");
    assert!(end["usage"][0]["inputTokens"].is_u64(), "usage is recorded also when a run ends early: {end}");
    let answer = &scene.ada.messages(&scene.session).await[1];
    assert_eq!((&answer["content"], &answer["status"]), (&json!("It began "), &json!("stopped")));
    assert_eq!(answer["finish_reason"], "stopped");

    // What waits goes on.
    scene.app.model.call().await.answer("The end").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "stop");
    assert_eq!(contents(&scene).await, ["Tell me everything", "It began ", "And then?", "The end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_before_the_first_word_leaves_an_empty_answer() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Quiet").await;
    let mut call = scene.app.model.call().await;
    scene.socket.command("stop").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "stopped");
    call.hung_up().await;
    let answer = &scene.ada.messages(&scene.session).await[1];
    assert_eq!((&answer["content"], &answer["status"]), (&json!(""), &json!("stopped")));
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_with_nothing_to_stop_is_refused() {
    let mut scene = Scene::start().await;
    scene.socket.command("stop").await;
    let refused = scene.socket.control("error").await;
    assert_eq!(refused["code"], "no_active_run");
    scene.socket.round_trip().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_socket_never_stops_a_run() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Go on without me").await;
    let mut call = scene.app.model.call().await;
    call.text("I ").await;
    scene.socket.answer_so_far("I ").await;
    let epoch = scene.socket.epoch.clone();
    let seen = scene.socket.drop_connection();
    scene.app.sockets(0).await;
    assert!(call.text("do").await, "the upstream call was closed");
    call.finish("STOP").await;
    let mut back = scene.ada.resume(&scene.session, &epoch, seen).await;
    back.run_end().await;
    assert_eq!(back.log.answer().text, "I do");
    assert_eq!(scene.ada.messages(&scene.session).await[1]["status"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn regenerate_answers_the_last_question_again() {
    let mut scene = Scene::start().await;
    scene.turn("Why?", "Because").await;
    let old = scene.ada.messages(&scene.session).await[1]["id"].clone();
    let questions = scene.socket.log.messages.len();
    scene.socket.command("regenerate").await;
    let call = scene.app.model.call().await;
    assert_eq!(
        call.turns(),
        [("user".to_owned(), "Why?".to_owned())],
        "the old answer is no part of the prompt"
    );
    call.answer("Let us see").await;
    scene.socket.run_end().await;
    assert_eq!(supersedes(&scene), [old]);
    assert_eq!(contents(&scene).await, ["Why?", "Let us see"]);
    assert_eq!(scene.socket.log.messages.len(), questions + 1, "no new user message");
    // Lists and snapshots leave it out; the database keeps it.
    let second = scene.second().await;
    assert_eq!(second.snapshot.unwrap()["messages"].as_array().unwrap().len(), 2);
    let kept = scene.app.count("SELECT count(*) FROM messages").await;
    assert_eq!(kept, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn regenerate_with_nothing_asked_is_refused() {
    let mut scene = Scene::start().await;
    let id = scene.socket.command("regenerate").await;
    assert_eq!(scene.socket.refusal(&id).await["code"], "invalid_command");
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_supersedes_the_message_and_all_after_it() {
    let mut scene = Scene::start().await;
    scene.turn("one", "1").await;
    let second = scene.turn("two", "2").await;
    scene.turn("three", "3").await;
    let gone: Vec<Value> =
        scene.ada.messages(&scene.session).await[2..].iter().map(|message| message["id"].clone()).collect();
    let id = new_id();
    let edit = json!({"type": "edit", "id": id, "message": second, "text": "zwei"});
    scene.socket.send(edit.clone()).await;
    scene.socket.accepted(&id).await;
    let call = scene.app.model.call().await;
    let asked: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(asked, ["one", "1", "zwei"]);
    call.answer("II").await;
    scene.socket.run_end().await;
    let mut named = supersedes(&scene);
    named.sort_by_key(Value::to_string);
    let mut wanted = gone;
    wanted.sort_by_key(Value::to_string);
    assert_eq!(named, wanted);
    assert_eq!(contents(&scene).await, ["one", "1", "zwei", "II"]);
    assert_eq!(
        scene.ada.messages(&scene.session).await[2]["id"],
        json!(id),
        "`id` becomes the new message's id"
    );
    // Repeated: accepted again, and nothing more happens.
    scene.socket.send(edit).await;
    scene.socket.accepted(&id).await;
    scene.socket.round_trip().await;
    assert_eq!(contents(&scene).await.len(), 4);
    assert!(!scene.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_of_a_message_that_is_not_there_is_refused() {
    let mut scene = Scene::start().await;
    scene.turn("one", "1").await;
    let answer = scene.ada.messages(&scene.session).await[1]["id"].clone();
    for target in [json!(new_id()), answer] {
        let id = new_id();
        scene.socket.send(json!({"type": "edit", "id": id, "message": target, "text": "x"})).await;
        assert_eq!(scene.socket.refusal(&id).await["code"], "invalid_command");
    }
    assert_eq!(contents(&scene).await, ["one", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_hand_is_seen_and_stays_raised() {
    let mut scene = Scene::start().await;
    let mut second = scene.second().await;
    scene.socket.command("raise_hand").await;
    assert_eq!(second.control("state").await["hand_raised"], true);
    scene.socket.round_trip().await;
    scene.app.stop().await;
    scene.app.start_again().await;
    let mut back = scene.ada.at(scene.app.addr).socket(&scene.session).await;
    assert_eq!(back.ready["state"]["hand_raised"], true);
    back.command("lower_hand").await;
    assert_eq!(back.control("state").await["hand_raised"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_students_tutor_commands_are_refused() {
    let mut scene = Scene::start().await;
    for (kind, more) in [("whisper", true), ("say", true), ("take_over", false), ("hand_back", false)] {
        let mut command = json!({"type": kind, "id": new_id()});
        if more {
            command["text"] = json!("psst");
        }
        scene.socket.send(command).await;
        assert_eq!(scene.socket.control("error").await["code"], "not_allowed", "{kind}");
    }
    scene.socket.round_trip().await;
    assert!(contents(&scene).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_type_or_a_bad_field_is_an_error_and_the_socket_goes_on() {
    let mut scene = Scene::start().await;
    let id = new_id();
    let cases = [
        json!({"type": "dance", "id": id}),
        json!({"type": "send", "id": id}),
        json!({"type": "send", "id": id, "text": 5}),
        json!({"type": "send", "id": id, "text": " \n"}),
        json!({"type": "send", "id": id, "text": "a\u{0}b"}),
        json!({"type": "edit", "id": id, "text": "x"}),
        json!({"type": "edit", "id": id, "message": id, "text": "x"}),
    ];
    for case in cases {
        scene.socket.send(case.clone()).await;
        let refused = scene.socket.refusal(&id).await;
        assert_eq!(refused["code"], "invalid_command", "{case}");
        assert!(refused["message"].is_string(), "{case}");
    }
    scene.socket.send(json!({"type": "send", "id": "not a uuid", "text": "x"})).await;
    assert_eq!(scene.socket.control("error").await["code"], "invalid_command");
    scene.socket.round_trip().await;
    assert!(contents(&scene).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_no_command_at_all_closes_with_4400() {
    let scene = Scene::start().await;
    for frame in ["hello", "[1]", "{}", "{\"type\":7}", "null", "{\"type\":\"send\"", ""] {
        let mut socket = scene.second().await;
        socket.send_text(frame).await;
        assert_eq!(socket.closed().await, 4400, "{frame:?}");
    }
    let mut socket = scene.second().await;
    socket.try_send(Message::binary(b"{\"type\":\"ping\"}".to_vec())).await;
    assert_eq!(socket.closed().await, 4400);
    // A text frame (with the mask 0) whose text is none.
    let mut socket = scene.second().await;
    socket.send_bytes(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await;
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_over_64_kib_closes_with_1009() {
    let scene = Scene::start().await;
    let frame = |size: usize| {
        let head = "{\"type\":\"ping\",\"x\":\"";
        format!("{head}{}\"}}", "x".repeat(size - head.len() - 2))
    };
    let mut socket = scene.second().await;
    socket.send_text(&frame(64 * 1024)).await;
    socket.round_trip().await;
    socket.try_send(Message::text(frame(64 * 1024 + 1))).await;
    assert_eq!(socket.closed().await, 1009);
    // In pieces as well as in one, and far larger ones.
    let mut socket = scene.second().await;
    socket.try_send(Message::text(frame(1 << 20))).await;
    assert_eq!(socket.closed().await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_commands_are_refused_then_close_with_4429() {
    let mut scene = Scene::of(TestApp::builder().settings(|s| s.rate_limit = true)).await;
    let mut refused = 0;
    let code = loop {
        for _ in 0..50 {
            if !scene.socket.try_send(Message::text("{\"type\":\"typing\"}")).await {
                break;
            }
        }
        scene.socket.try_send(Message::text("{\"type\":\"ping\",\"t\":1}")).await;
        match scene.socket.next().await {
            Frame::Control(ctl) if ctl["type"] == "error" => {
                assert_eq!(ctl["code"], "rate_limited");
                assert!(ctl["retry_after_ms"].as_u64().unwrap() > 0, "{ctl}");
                refused += 1;
            }
            Frame::Close { code, .. } => break code,
            Frame::Gone => panic!("gone without a word after {refused} refusals"),
            _ => {}
        }
    };
    assert_eq!(code, 4429);
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_on_a_live_socket_closes_with_4401() {
    let scene = Scene::start().await;
    let mut socket = scene.second().await;
    socket.send(json!({"type": "auth", "token": "nonsense"})).await;
    assert_eq!(socket.closed().await, 4401);
    // Somebody else's is no better.
    let eve = scene.app.student("eve").await;
    let mut socket = scene.second().await;
    socket.send(json!({"type": "auth", "token": eve.token})).await;
    assert_eq!(socket.closed().await, 4401);
}
