//! What the server says on a session socket: contract 3.1.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{Scene, TestApp};
use crate::support::frame::Frame;

#[tokio::test(flavor = "multi_thread")]
async fn ready_comes_first_and_says_where_things_stand() {
    let scene = Scene::start().await;
    let ready = &scene.socket.ready;
    assert!(!scene.socket.epoch.is_empty());
    assert_eq!(ready["head"], 0);
    assert_eq!(ready["resumed"], false);
    assert_eq!(ready["you"], json!({"id": scene.ada.user_id, "role": "student"}));
    let state = json!({"control": "ai", "tutor": null, "hand_raised": false, "run": null, "watchers": []});
    assert_eq!(ready["state"], state);
    let snapshot = scene.socket.snapshot.as_ref().unwrap();
    assert_eq!((&snapshot["head"], &snapshot["messages"]), (&json!(0), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_on_the_wire_is_what_the_contract_shows() {
    let mut scene = Scene::start().await;
    let question = scene.socket.ask("What is a prime?").await;
    let mut call = scene.app.model.call().await;
    call.text("What do *you* ").await;
    scene.socket.answer_so_far("What do *you* ").await;
    call.text("think? ∑ 🦀").await;
    call.finish("STOP").await;
    let end = scene.socket.run_end().await;

    assert_eq!(
        scene.socket.log.shape(),
        [
            "RUN_STARTED",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED",
        ]
    );
    let events = &scene.socket.log.events;
    let run = events[0]["runId"].clone();
    assert_eq!(events[0]["threadId"], json!(scene.session));
    assert_eq!((&events[1]["messageId"], &events[1]["role"]), (&json!(question), &json!("user")));
    assert_eq!(events[2]["delta"], "What is a prime?");
    assert_eq!(events[4]["role"], "assistant");
    assert_eq!(end["threadId"], json!(scene.session));
    assert_eq!(end["runId"], run);
    assert_eq!(end["result"], json!({"finish_reason": "stop", "model": "gemini-test"}));
    assert_eq!(end["usage"], json!([{"inputTokens": 11, "outputTokens": 7}]));
    assert_eq!(scene.socket.log.answer().text, "What do *you* think? ∑ 🦀");
    scene.socket.log.assert_at_rest();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_sees_the_same_entries_in_the_same_order() {
    let mut scene = Scene::start().await;
    let mut second = scene.second().await;
    scene.turn("one", "first").await;
    second.run_end().await;
    scene.turn("two", "second").await;
    second.run_end().await;
    assert_eq!(scene.socket.log.events, second.log.events);
    assert_eq!(scene.socket.log.seq, second.log.seq);
    assert_eq!(scene.socket.epoch, second.epoch);
    assert_eq!(scene.socket.log.runs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_means_committed() {
    let mut scene = Scene::start().await;
    let id = scene.socket.ask("Is it there?").await;
    scene.socket.accepted(&id).await;
    // Nothing has answered yet: what REST lists now comes from PostgreSQL.
    let messages = scene.ada.messages(&scene.session).await;
    assert_eq!((&messages[0]["id"], &messages[0]["content"]), (&json!(id), &json!("Is it there?")));
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_comes_at_once_although_the_run_must_wait() {
    let mut scene = Scene::start().await;
    scene.socket.ask("first").await;
    let _busy = scene.app.model.call().await;
    let waiting = scene.socket.ask("second").await;
    scene.socket.accepted(&waiting).await;
    let messages = scene.ada.messages(&scene.session).await;
    let row = messages.iter().find(|message| message["id"] == json!(waiting)).expect("it is committed");
    assert_eq!(row["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_means_that_text_and_status_are_committed() {
    let mut scene = Scene::start().await;
    let id = scene.turn("Say it", "Wörter, und nochmals Wörter").await;
    let messages = scene.ada.messages(&scene.session).await;
    assert_eq!(messages.len(), 2);
    assert_eq!((&messages[0]["id"], &messages[0]["status"]), (&json!(id), &json!("complete")));
    assert_eq!(messages[0]["author"]["kind"], "student");
    assert_eq!(messages[0]["author"]["id"], json!(scene.ada.user_id));
    let answer = &messages[1];
    assert_eq!(answer["content"], json!(scene.socket.log.answer().text));
    assert_eq!((&answer["status"], &answer["finish_reason"]), (&json!("complete"), &json!("stop")));
    assert_eq!(answer["author"]["kind"], "assistant");
    assert_eq!(answer["run_id"], messages[0]["run_id"]);
    assert_eq!(answer["usage"]["output_tokens"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_shows_messages_as_rest_does() {
    let mut scene = Scene::start().await;
    scene.turn("one", "first").await;
    let second = scene.second().await;
    let snapshot = second.snapshot.as_ref().unwrap();
    assert_eq!(snapshot["messages"], json!(scene.ada.messages(&scene.session).await));
    assert_eq!(snapshot["head"], json!(scene.socket.log.seq));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_being_written_is_streaming_with_its_text_so_far() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Go on").await;
    let mut call = scene.app.model.call().await;
    call.text("half a ").await;
    scene.socket.answer_so_far("half a ").await;

    let mut second = scene.second().await;
    let messages = second.snapshot.as_ref().unwrap()["messages"].as_array().unwrap().clone();
    let answer = messages.last().unwrap();
    assert_eq!((&answer["status"], &answer["content"]), (&json!("streaming"), &json!("half a ")));
    assert_eq!(second.ready["state"]["run"], answer["run_id"]);
    assert!(answer.get("finish_reason").is_none());

    call.text("sentence").await;
    call.finish("STOP").await;
    second.run_end().await;
    let text = &second.log.messages[answer["id"].as_str().unwrap()].text;
    assert_eq!(text, "half a sentence");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_follows_the_run() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Go").await;
    let call = scene.app.model.call().await;
    let started = scene.socket.event("RUN_STARTED").await;
    let state = scene.socket.control("state").await;
    assert_eq!(state["run"], started["runId"]);
    assert_eq!(state["control"], "ai");
    call.answer("yes").await;
    let state = scene.socket.control("state").await;
    assert_eq!(state["run"], Value::Null);
    // In order with the entries: the run's end stands before the state that says so.
    assert_eq!(scene.socket.log.shape().last(), Some(&"RUN_FINISHED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_seen_by_the_others_alone() {
    let mut scene = Scene::start().await;
    let mut second = scene.second().await;
    scene.socket.command("typing").await;
    let typing = second.control("typing").await;
    assert_eq!(typing["who"]["id"], json!(scene.ada.user_id));
    assert_eq!(typing["who"]["name"], "ada");
    scene.socket.send(json!({"type": "ping", "t": 1})).await;
    let next = scene.socket.next().await;
    assert_eq!(next.control(), Some("pong"), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_with_what_it_carried() {
    let mut scene = Scene::start().await;
    for t in [json!(1_763_874_000_123_u64), json!("x"), json!(0.5)] {
        scene.socket.send(json!({"type": "ping", "t": t})).await;
        assert_eq!(scene.socket.control("pong").await["t"], t);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_is_reasoning_and_no_part_of_the_answer() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Think").await;
    let mut call = scene.app.model.call().await;
    let thought =
        json!({"content": {"parts": [{"text": "hmm", "thought": true}], "role": "model"}, "index": 0});
    call.raw(format!("data: {}\r\n\r\n", json!({"candidates": [thought]}))).await;
    call.answer("Tell me more").await;
    scene.socket.run_end().await;
    let shape = scene.socket.log.shape();
    let reasoning: Vec<&&str> = shape.iter().filter(|kind| kind.starts_with("REASONING_")).collect();
    assert_eq!(
        reasoning,
        [
            &"REASONING_START",
            &"REASONING_MESSAGE_START",
            &"REASONING_MESSAGE_CONTENT",
            &"REASONING_MESSAGE_END",
            &"REASONING_END"
        ]
    );
    assert_eq!(scene.socket.log.answer().text, "Tell me more");
    assert_eq!(scene.ada.messages(&scene.session).await[1]["content"], "Tell me more");
}

/// The stored text is the deltas' text whatever ended the run.
#[tokio::test(flavor = "multi_thread")]
async fn deltas_and_stored_text_are_the_same_bytes_however_a_run_ends() {
    let mut scene = Scene::start().await;
    for (reason, told, status) in
        [("STOP", "stop", "complete"), ("MAX_TOKENS", "length", "complete"), ("SAFETY", "safety", "complete")]
    {
        scene.socket.ask(reason).await;
        let mut call = scene.app.model.call().await;
        call.text("ein Stück\u{2028}").await;
        call.text("\r\n\tnoch 👩‍🏫 eins ").await;
        call.finish(reason).await;
        let end = scene.socket.run_end().await;
        let stored = scene.ada.messages(&scene.session).await.pop().unwrap();
        assert_eq!(stored["content"], json!(scene.socket.log.answer().text), "{reason}");
        assert_eq!(stored["content"], "ein Stück\u{2028}\r\n\tnoch 👩‍🏫 eins ");
        if end["type"] == "RUN_FINISHED" {
            assert_eq!(
                (&end["result"]["finish_reason"], &stored["finish_reason"]),
                (&json!(told), &json!(told))
            );
            assert_eq!(stored["status"], status);
        } else {
            panic!("{reason}: {end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_reason_of_the_models_survives() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Go").await;
    let mut call = scene.app.model.call().await;
    call.text("words").await;
    call.finish("CONTINUATION_OF_2027").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["result"]["finish_reason"], "continuation_of_2027");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_come_one_after_another_with_what_waited_in_order() {
    let mut scene = Scene::start().await;
    let first = scene.socket.ask("one").await;
    let call = scene.app.model.call().await;
    let second = scene.socket.ask("two").await;
    let third = scene.socket.ask("three").await;
    scene.socket.accepted(&third).await;
    call.answer("first").await;
    scene.app.model.call().await.answer("second").await;
    let call = scene.app.model.call().await;
    let asked: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(asked, ["one", "first", "two", "second", "three"]);
    call.answer("third").await;
    for _ in 0..3 {
        scene.socket.run_end().await;
    }
    let ids: Vec<String> = scene
        .socket
        .log
        .events
        .iter()
        .filter(|ev| ev["type"] == "TEXT_MESSAGE_START" && ev["role"] == "user")
        .map(|ev| ev["messageId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, [first, second, third]);
    scene.socket.log.assert_at_rest();
}

/// A message that was accepted before others were said is listed behind them until its run begins.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_comes_last_everywhere_until_its_run_begins() {
    let mut scene = Scene::start().await;
    for text in ["one", "two", "three"] {
        let id = scene.socket.ask(text).await;
        scene.socket.accepted(&id).await;
    }
    scene.app.model.call().await.answer("1").await;
    let mut call = scene.app.model.call().await;
    call.text("2").await;
    scene.socket.answer_so_far("2").await;
    let wanted = [
        ("one", "complete"),
        ("1", "complete"),
        ("two", "complete"),
        ("2", "streaming"),
        ("three", "queued"),
    ];
    let listed = rest_and_snapshot(&scene).await;
    for list in &listed {
        let mut list = list.clone();
        // Its words are in PostgreSQL as of the last checkpoint.
        list[3].0 = "2".into();
        assert_eq!(list, wanted.map(|(text, status)| (text.to_owned(), status.to_owned())));
    }
    call.finish("STOP").await;
    scene.app.model.call().await.answer("3").await;
    for _ in 0..2 {
        scene.socket.run_end().await;
    }
    let wanted = ["one", "1", "two", "2", "three", "3"].map(|text| (text.to_owned(), "complete".to_owned()));
    assert_eq!(rest_and_snapshot(&scene).await, [wanted.clone(), wanted.clone()]);
    scene.app.stop().await;
    scene.app.start_again().await;
    scene.ada = scene.ada.at(scene.app.addr);
    assert_eq!(rest_and_snapshot(&scene).await, [wanted.clone(), wanted]);
}

/// Text and status of every message, as REST lists them and as a snapshot shows them.
async fn rest_and_snapshot(scene: &Scene) -> [Vec<(String, String)>; 2] {
    let told = |messages: &[Value]| {
        let word = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
        messages.iter().map(|message| (word(message, "content"), word(message, "status"))).collect()
    };
    let snapshot = scene.second().await.snapshot.unwrap();
    [told(&scene.ada.messages(&scene.session).await), told(snapshot["messages"].as_array().unwrap())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_soon_is_announced_and_a_fresh_one_is_taken() {
    let builder = TestApp::builder().settings(|s| s.accounts.token_ttl = Duration::from_secs(30));
    let mut scene = Scene::of(builder).await;
    let told = scene.socket.control("auth_expiring").await;
    assert!(told["in_s"].as_u64().unwrap() <= 30, "{told}");
    // A fresh one is taken without a word, and its own end announced in turn, at once.
    let fresh = scene.ada.login().await;
    scene.socket.send(json!({"type": "auth", "token": fresh.token})).await;
    let told = scene.socket.control("auth_expiring").await;
    assert!(told["in_s"].as_u64().unwrap() >= 25, "{told}");
    scene.socket.round_trip().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_ends_the_socket_with_4401() {
    let builder = TestApp::builder().settings(|s| {
        s.accounts.token_ttl = Duration::from_secs(6);
        s.socket.expiry_grace = Duration::from_secs(1);
    });
    let mut scene = Scene::of(builder).await;
    scene.socket.control("auth_expiring").await;
    let since = Instant::now();
    assert_eq!(scene.socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(11), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_practice_model_answers_over_the_same_wire() {
    let mut scene = Scene::of(TestApp::builder().practice()).await;
    scene.socket.ask("What is a prime number?").await;
    let end = scene.socket.run_end().await;
    assert_eq!(end["type"], "RUN_FINISHED", "{end}");
    assert!(scene.socket.log.answer().text.len() > 40);
    assert!(matches!(scene.socket.next().await, Frame::Control(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_answered() {
    let mut scene = Scene::start().await;
    scene.socket.round_trip().await;
    assert_eq!(scene.socket.goodbye().await, 1000);
}
