//! Taking over and handing back: one holder, and not one word of the model's meanwhile.

use std::time::{Duration, Instant};

use fynq::config::Quota;
use rand::Rng as _;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::frame::Frame;
use crate::support::lesson::{Lesson, control, order, person, say};
use crate::support::socket::{Socket, new_id};

#[tokio::test(flavor = "multi_thread")]
async fn taking_over_silences_the_model_and_handing_back_lets_it_speak_with_all_that_was_said() {
    let mut lesson = Lesson::start().await;
    let mut call = lesson.speaking("It is ").await;
    lesson.tia.command("take_over").await;
    call.hung_up().await;
    let tia = person(&lesson.school.tia);
    for socket in [&mut lesson.ada, &mut lesson.tia] {
        assert_eq!(control(socket, "tutor").await["tutor"], tia);
        let end = socket.run_end().await;
        assert_eq!(end["result"]["finish_reason"], "taken_over");
        assert_eq!(socket.log.answer().text, "It is ");
        assert_eq!(socket.control("state").await["run"], Value::Null);
    }
    // The tutor speaks; the student answers; nobody else does.
    say(&mut lesson.tia, "Let me draw it.").await;
    let end = lesson.ada.run_end().await;
    assert_eq!(end["result"], json!({"finish_reason": "tutor"}));
    let start = lesson.ada.log.events.iter().rfind(|ev| ev["type"] == "TEXT_MESSAGE_START").unwrap();
    assert_eq!((&start["name"], &start["role"]), (&tia["name"], &json!("assistant")));
    assert_eq!(start["metadata"], json!({"fynq": {"author": "tutor"}}));
    let id = lesson.ada.ask("Oh!").await;
    lesson.ada.accepted(&id).await;
    let end = lesson.ada.run_end().await;
    assert_eq!(end["result"], json!({"finish_reason": "tutor"}));
    assert!(end.get("usage").is_none(), "{end}");
    // By REST nobody answers, either.
    let body = json!({"session_id": lesson.school.session, "text": "By post"});
    let reply = lesson.school.ada.post("/chat/message", body).await.ok(200);
    assert_eq!((&reply["message"]["content"], &reply["reply"]), (&json!("By post"), &Value::Null));
    assert!(!lesson.school.app.model.was_called());

    order(&mut lesson.tia, "hand_back", json!({"summary": "Drawn on paper."})).await;
    assert_eq!(control(&mut lesson.ada, "ai").await["tutor"], Value::Null);
    lesson.ada.round_trip().await;
    assert!(!lesson.school.app.model.was_called(), "the model speaks when it is asked");
    lesson.ada.ask("And 1/4?").await;
    let call = lesson.call().await;
    let asked = call.request.to_string();
    for words in ["It is ", "Let me draw it.", "Oh!", "By post", "And 1/4?", "Drawn on paper."] {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    let told: String = call.turns().into_iter().map(|(_, text)| text).collect();
    assert!(!told.contains("Drawn on paper."), "beside the conversation, not in it");
    call.answer("Three quarters").await;
    lesson.ada.run_end().await;
    let said = ["Why?", "It is ", "Let me draw it.", "Oh!", "By post", "And 1/4?", "Three quarters"];
    assert_eq!(lesson.contents().await, said);
    let stored = lesson.stored().await;
    assert_eq!(
        (&stored[1]["status"], &stored[1]["finish_reason"]),
        (&json!("stopped"), &json!("taken_over"))
    );
    assert_eq!((&stored[2]["author"]["kind"], &stored[2]["role"]), (&json!("tutor"), &json!("assistant")));
    for (event, count) in [("took_over", 1), ("said", 1), ("handed_back", 1), ("control_ended", 0)] {
        assert_eq!(lesson.audited(event).await, count, "{event}");
    }
    lesson
        .until_count(
            "SELECT count(*) FROM tutor_acts WHERE kind = 'handed_back' AND whisper_id IS NOT NULL",
            1,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_over_one_holds_and_the_other_is_told_who() {
    let mut lesson = Lesson::start().await;
    let mut root = lesson.root().await;
    let (one, two) = tokio::join!(lesson.tia.command("take_over"), root.command("take_over"));
    let shown = control(&mut lesson.ada, "tutor").await["tutor"].clone();
    let (winner, loser, id) = match shown == person(&lesson.school.tia) {
        true => (&mut lesson.tia, &mut root, two),
        false => (&mut root, &mut lesson.tia, one),
    };
    let refused = loser.refusal(&id).await;
    assert_eq!(refused["code"], "control_held");
    let who = shown["name"].as_str().unwrap();
    assert!(refused["message"].as_str().unwrap().contains(who), "{refused}");
    // Once more, by who holds it: that changes nothing.
    winner.command("take_over").await;
    assert_eq!(control(winner, "tutor").await["tutor"], shown);
    winner.round_trip().await;
    let held = "SELECT count(*) FROM sessions WHERE control = 'tutor' AND control_epoch = 1";
    lesson.until_count(held, 1).await;
    assert_eq!(lesson.audited("took_over").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_or_an_admin_hands_back() {
    let mut lesson = Lesson::start().await;
    let mut root = lesson.root().await;
    let id = lesson.tia.command("hand_back").await;
    assert_eq!(lesson.tia.refusal(&id).await["code"], "invalid_command", "nobody holds it");
    root.command("take_over").await;
    control(&mut lesson.tia, "tutor").await;
    let id = lesson.tia.command("hand_back").await;
    assert_eq!(lesson.tia.refusal(&id).await["code"], "control_held");
    root.command("hand_back").await;
    control(&mut lesson.tia, "ai").await;
    let id = lesson.tia.command("take_over").await;
    // Not root's socket: that has its own take-over still to read.
    control(&mut lesson.tia, "tutor").await;
    root.command("hand_back").await;
    control(&mut lesson.tia, "ai").await;
    // Sent again by a client that came back, it does not take over once more.
    lesson.tia.send(json!({"type": "take_over", "id": id})).await;
    assert_eq!(lesson.tia.control("state").await["control"], "ai");
    lesson.tia.round_trip().await;
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'ai' AND control_epoch = 4", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_take_over_together_have_one_end_in_the_order_in_which_they_came() {
    let mut lesson = Lesson::start().await;
    let mut call = lesson.speaking("It is ").await;
    lesson.tia.command("stop").await;
    lesson.tia.command("take_over").await;
    call.hung_up().await;
    assert_eq!(silent_after(&mut lesson.ada).await["result"]["finish_reason"], "stopped");
    lesson.tia.command("hand_back").await;
    control(&mut lesson.ada, "ai").await;

    let mut call = lesson.speaking("It was ").await;
    lesson.tia.command("take_over").await;
    let stop = lesson.tia.command("stop").await;
    call.hung_up().await;
    assert_eq!(lesson.tia.refusal(&stop).await["code"], "no_active_run");
    assert_eq!(silent_after(&mut lesson.ada).await["result"]["finish_reason"], "taken_over");
    assert_eq!(lesson.contents().await, ["Why?", "It is ", "Why?", "It was "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_who_is_removed_from_the_class_holds_nothing_any_more() {
    let mut lesson = Lesson::start().await;
    let mut second = lesson.school.tia.socket(&lesson.school.session).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    let since = Instant::now();
    let path = format!("/classes/{}/members/{}", lesson.school.class, lesson.school.tia.user_id);
    lesson.school.root.delete(&path).await.ok(204);
    assert_eq!(lesson.tia.closed().await, 4403);
    assert_eq!(second.closed().await, 4403);
    assert_eq!(control(&mut lesson.ada, "ai").await["tutor"], Value::Null);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'ai' AND control_epoch = 2", 1).await;
    lesson.until_count("SELECT count(*) FROM tutor_acts WHERE kind = 'released'", 1).await;
    let rights =
        "SELECT count(*) FROM audit WHERE event = 'control_ended' AND detail->>'end' = 'rights_ended'";
    lesson.until_count(rights, 1).await;
    lesson.turn_alone().await;
}

impl Lesson {
    /// The model answers again; nobody watches.
    async fn turn_alone(&mut self) {
        self.ada.ask("Are you there?").await;
        self.call().await.answer("Yes").await;
        assert_eq!(self.ada.run_end().await["result"]["finish_reason"], "stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_deleted_while_it_is_held_is_gone_for_all() {
    let mut lesson = Lesson::start().await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    say(&mut lesson.tia, "Hello").await;
    order(&mut lesson.tia, "whisper", json!({"text": "psst"})).await;
    lesson.tia.control("whispered").await;
    lesson.school.ada.delete(&format!("/sessions/{}", lesson.school.session)).await.ok(204);
    for socket in [&mut lesson.ada, &mut lesson.tia] {
        assert_eq!(socket.closed().await, 4404);
    }
    lesson.school.app.sockets(0).await;
    for table in ["whispers", "tutor_acts", "messages"] {
        lesson.until_count(&format!("SELECT count(*) FROM {table}"), 0).await;
    }
    assert_eq!(lesson.audited("observation_opened").await, 1);
    let closed =
        "SELECT count(*) FROM audit WHERE event = 'observation_closed' AND detail->>'end' = 'closed'";
    lesson.until_count(closed, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_a_tutor_changes_nothing() {
    let mut lesson = Lesson::of(TestApp::builder().database_proxy()).await;
    let (_, answer) = lesson.turn("one", "1").await;
    lesson.ada.command("raise_hand").await;
    lesson.tia.control("state").await;
    lesson.until_count("SELECT count(*) FROM sessions WHERE hand_raised", 1).await;
    let (before, head) = (lesson.everything().await, lesson.ada.log.seq);
    let database = lesson.school.app.database_proxy.take().unwrap();
    database.refuse();
    // Rights cannot be looked up, either: whatever a tutor orders is refused.
    for (kind, more) in [
        ("take_over", json!({})),
        ("say", json!({"text": "Hello"})),
        ("whisper", json!({"text": "psst"})),
        ("correct", json!({"text": "2", "message": answer})),
        ("claim", json!({})),
    ] {
        let id = order(&mut lesson.tia, kind, more).await;
        let refused = lesson.tia.refusal(&id).await;
        assert_eq!(refused["code"], "storage_unavailable", "{kind}");
        assert!(refused["retry_after_ms"].as_u64().unwrap() > 0, "{refused}");
    }
    database.heal();
    lesson.school.app.database_is_up(true).await;
    lesson.ada.round_trip().await;
    assert_eq!(lesson.ada.log.seq, head);
    assert_eq!(lesson.everything().await, before);
    let state = lesson.school.ada.socket(&lesson.school.session).await.ready["state"].clone();
    assert_eq!((&state["control"], &state["hand"]["claimed_by"]), (&json!("ai"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drains_takes_no_words_and_changes_hands_all_the_same() {
    let mut lesson = Lesson::start().await;
    let (_, answer) = lesson.turn("one", "1").await;
    let mut call = lesson.speaking("It goes on ").await;
    let Lesson { school, ada, tia } = &mut lesson;
    let orders = async {
        tia.control("draining").await;
        for (kind, more) in [
            ("say", json!({"text": "Hello"})),
            ("whisper", json!({"text": "psst"})),
            ("correct", json!({"text": "2", "message": answer})),
        ] {
            let id = order(tia, kind, more).await;
            assert_eq!(tia.refusal(&id).await["code"], "draining", "{kind}");
        }
        tia.command("take_over").await;
        call.hung_up().await;
        control(ada, "tutor").await;
        assert_eq!(ada.run_end().await["result"]["finish_reason"], "taken_over");
    };
    tokio::join!(school.app.stop(), orders);
    lesson.school.app.start_again().await;
    let ada = lesson.school.ada.at(lesson.school.app.addr).socket(&lesson.school.session).await;
    assert_eq!(ada.ready["state"]["tutor"], person(&lesson.school.tia), "it is held after the restart");
    assert_eq!(ada.snapshot.unwrap()["messages"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_tutor_holds_nothing_is_answered_again_and_what_waits_is_said_alone() {
    let mut lesson = Lesson::start().await;
    let call = lesson.speaking("It is ").await;
    let second = lesson.ada.ask("second").await;
    lesson.ada.accepted(&second).await;
    let again = lesson.ada.command("regenerate").await;
    lesson.ada.round_trip().await;
    lesson.tia.command("take_over").await;
    let refused = lesson.ada.refusal(&again).await;
    assert_eq!(refused["code"], "control_held");
    for reason in ["taken_over", "tutor"] {
        assert_eq!(lesson.ada.run_end().await["result"]["finish_reason"], reason);
    }
    let id = lesson.ada.command("regenerate").await;
    let refused = lesson.ada.refusal(&id).await;
    assert_eq!(refused["code"], "control_held");
    assert!(refused["message"].as_str().unwrap().contains("tia"), "{refused}");
    say(&mut lesson.tia, "Look here").await;
    lesson.tia.command("hand_back").await;
    control(&mut lesson.ada, "ai").await;
    // Try again, after the tutor: what the tutor said stays.
    lesson.ada.command("regenerate").await;
    let retried = lesson.call().await;
    assert!(retried.request.to_string().contains("Look here"));
    retried.answer("Second answer").await;
    lesson.ada.run_end().await;
    assert_eq!(lesson.contents().await, ["Why?", "It is ", "second", "Look here", "Second answer"]);
    lesson.ada.command("regenerate").await;
    lesson.call().await.answer("Third answer").await;
    lesson.ada.run_end().await;
    assert_eq!(lesson.contents().await, ["Why?", "It is ", "second", "Look here", "Third answer"]);
    drop(call);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_speaks_inside_the_run_that_is_active_and_it_goes_on() {
    let mut lesson = Lesson::start().await;
    let mut call = lesson.speaking("One ").await;
    say(&mut lesson.tia, "Listen well").await;
    lesson.ada.answer_so_far("Listen well").await;
    call.text("two").await;
    lesson.ada.answer_so_far("One two").await;
    // A snapshot in the middle of it.
    let late = lesson.school.ada.socket(&lesson.school.session).await;
    let shown = late.snapshot.unwrap();
    let texts: Vec<_> = shown["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(texts, ["Why?", "One two", "Listen well"]);
    call.finish("STOP").await;
    assert_eq!(lesson.ada.run_end().await["result"]["finish_reason"], "stop");
    assert_eq!(lesson.ada.log.runs.len(), 1);
    assert_eq!(lesson.contents().await, ["Why?", "One two", "Listen well"]);
    let stored = lesson.stored().await;
    assert!(stored.iter().all(|message| message["run_id"] == stored[0]["run_id"]), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_an_id_of_its_own_and_is_said_once() {
    let mut lesson = Lesson::start().await;
    let (question, answer) = lesson.turn("one", "1").await;
    let id = say(&mut lesson.tia, "Hello").await;
    lesson.ada.run_end().await;
    lesson.tia.send(json!({"type": "say", "id": id, "text": "Hello"})).await;
    lesson.tia.accepted(&id).await;
    for taken in [&question, &answer] {
        lesson.tia.send(json!({"type": "say", "id": taken, "text": "Hello"})).await;
        assert_eq!(lesson.tia.refusal(taken).await["code"], "invalid_command");
    }
    lesson.ada.send(json!({"type": "send", "id": id, "text": "mine"})).await;
    assert_eq!(lesson.ada.refusal(&id).await["code"], "invalid_command");
    let mut root = lesson.root().await;
    root.send(json!({"type": "say", "id": id, "text": "Hello"})).await;
    assert_eq!(root.refusal(&id).await["code"], "invalid_command", "somebody else's");
    assert_eq!(lesson.contents().await, ["one", "1", "Hello"]);
    // Also after a restart.
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let mut tia = lesson.school.tia.at(lesson.school.app.addr).socket(&lesson.school.session).await;
    tia.send(json!({"type": "say", "id": id, "text": "Hello"})).await;
    tia.accepted(&id).await;
    assert_eq!(lesson.school.app.count("SELECT count(*) FROM messages").await, 3);
}

/// What has left memory is known as well as what is there: an id is answered to who sent it alone, and only to
/// the same kind of command.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_id_belongs_to_who_sent_it_and_to_its_command() {
    let mut lesson = Lesson::start().await;
    let (question, answer) = lesson.turn("one", "1").await;
    let said = say(&mut lesson.tia, "Hello").await;
    lesson.ada.run_end().await;
    let corrected = order(&mut lesson.tia, "correct", json!({"message": answer, "text": "One"})).await;
    lesson.tia.accepted(&corrected).await;
    lesson.ada.run_end().await;
    lesson.school.app.stop().await;
    let later = format!(
        "INSERT INTO messages (session_id, id, ord, run_id, role, author_kind, content, status, created_at) \
         SELECT '{}', gen_random_uuid(), 100 + n, gen_random_uuid(), 'assistant', 'assistant', 'said ' || n, \
                'complete', now() \
         FROM generate_series(1, 420) n",
        lesson.school.session
    );
    lesson.school.app.execute(&later).await;
    lesson.school.app.start_again().await;
    let (addr, session) = (lesson.school.app.addr, lesson.school.session.clone());
    let [ada, tia, root] = [&lesson.school.ada, &lesson.school.tia, &lesson.school.root];
    let mut sockets = Vec::new();
    for who in [ada, tia, root] {
        sockets.push(who.at(addr).socket(&session).await);
    }
    let [ada, tia, root] = [0, 1, 2];
    let send = |id: &str| json!({"type": "send", "id": id, "text": "one"});
    let edit = |id: &str| json!({"type": "edit", "id": id, "message": question, "text": "one"});
    let say = |id: &str| json!({"type": "say", "id": id, "text": "Hello"});
    let correct = |id: &str| json!({"type": "correct", "id": id, "message": answer, "text": "One"});
    for (who, command) in [
        (ada, send(&answer)),
        (ada, send(&said)),
        (ada, edit(&question)),
        (tia, say(&question)),
        (tia, say(&answer)),
        (tia, say(&corrected)),
        (tia, correct(&said)),
        (root, say(&said)),
        (root, correct(&corrected)),
    ] {
        sockets[who].send(command.clone()).await;
        let refused = sockets[who].refusal(command["id"].as_str().unwrap()).await;
        assert_eq!(refused["code"], "invalid_command", "{command}");
    }
    for (who, command) in [(ada, send(&question)), (tia, say(&said)), (tia, correct(&corrected))] {
        sockets[who].send(command.clone()).await;
        sockets[who].accepted(command["id"].as_str().unwrap()).await;
    }
    assert_eq!(lesson.school.app.count("SELECT count(*) FROM messages").await, 424);
    assert!(!lesson.school.app.model.was_called());
}

// ── Absence ─────────────────────────────────────────────────────────────────────────────────────────

fn lapsing(millis: u64) -> crate::support::app::Builder {
    TestApp::builder().settings(move |s| {
        s.session.lapse_after = Duration::from_millis(millis);
        s.session.idle_after = Duration::from_millis(50);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn control_outlives_a_reload_and_lapses_when_the_tutor_stays_away() {
    let mut lesson = Lesson::of(lapsing(1500)).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    for _ in 0..3 {
        let old = std::mem::replace(&mut lesson.tia, lesson.school.tia.socket(&lesson.school.session).await);
        assert_eq!(lesson.tia.ready["state"]["control"], "tutor");
        drop(old);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let reloaded = lesson.school.tia.socket(&lesson.school.session).await;
        drop(std::mem::replace(&mut lesson.tia, reloaded));
        assert_eq!(lesson.tia.ready["state"]["control"], "tutor");
    }
    // Longer than it takes: she is there.
    tokio::time::sleep(Duration::from_millis(1600)).await;
    say(&mut lesson.tia, "I am here").await;
    lesson.ada.run_end().await;
    let gone = Instant::now();
    lesson.tia.goodbye().await;
    let state = control(&mut lesson.ada, "ai").await;
    assert_eq!(state["tutor"], Value::Null);
    assert!(gone.elapsed() > Duration::from_millis(1300), "{:?}", gone.elapsed());
    lesson.until_count("SELECT count(*) FROM tutor_acts WHERE kind = 'lapsed'", 1).await;
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'ai' AND control_epoch = 2", 1).await;
    assert_eq!(lesson.audited("control_ended").await, 1);
    lesson.turn_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_session_stays_in_memory_and_lapses_with_nobody_there() {
    let mut lesson = Lesson::of(lapsing(800)).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    let Lesson { school, ada, tia } = lesson;
    drop((ada, tia));
    school.app.sockets(0).await;
    let sessions = school.app.server().app().sessions.clone();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(sessions.len(), 1, "a held session left memory");
    let since = Instant::now();
    while school.app.count("SELECT count(*) FROM sessions WHERE control = 'tutor'").await > 0 {
        assert!(since.elapsed() < Duration::from_secs(10), "it never lapsed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while !sessions.is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10), "it never left memory");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_is_found_again_after_a_restart_and_lapses_if_nobody_comes() {
    let mut lesson = Lesson::of(lapsing(5000)).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'tutor'", 1).await;
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let addr = lesson.school.app.addr;
    let mut ada = lesson.school.ada.at(addr).socket(&lesson.school.session).await;
    assert_eq!(ada.ready["state"]["tutor"], person(&lesson.school.tia));
    let mut tia = lesson.school.tia.at(addr).socket(&lesson.school.session).await;
    say(&mut tia, "Back again").await;
    assert_eq!(ada.run_end().await["result"]["finish_reason"], "tutor");
    drop((ada, tia));
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    // Nobody opens it: it ends all the same.
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'ai' AND control_epoch = 2", 1).await;
}

/// A token that was not renewed in time is no end of rights: it is like a socket that is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_whose_token_ended_comes_back_with_a_fresh_one() {
    let builder = lapsing(20_000).settings(|s| {
        s.accounts.token_ttl = Duration::from_secs(10);
        s.socket.expiry_grace = Duration::from_millis(100);
    });
    let mut lesson = Lesson::of(builder).await;
    let tia = lesson.school.tia.login().await;
    lesson.tia.goodbye().await;
    lesson.tia = tia.socket(&lesson.school.session).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.tia, "tutor").await;
    assert_eq!(lesson.tia.closed().await, 4401);
    let expired =
        "SELECT count(*) FROM audit WHERE event = 'observation_closed' AND detail->>'end' = 'expired'";
    lesson.until_count(expired, 1).await;
    let mut back = lesson.school.tia.login().await.socket(&lesson.school.session).await;
    assert_eq!(back.ready["state"]["tutor"], person(&lesson.school.tia));
    say(&mut back, "Here again").await;
    // Nor is one that came too late.
    back.send(json!({"type": "auth", "token": "too late"})).await;
    assert_eq!(back.closed().await, 4401);
    let mut back = lesson.school.tia.login().await.socket(&lesson.school.session).await;
    assert_eq!(back.ready["state"]["tutor"], person(&lesson.school.tia));
    assert_eq!(lesson.audited("control_ended").await, 0);
    // Signed out, control ends with the socket.
    let path = format!("/admin/users/{}/sign-out", lesson.school.tia.user_id);
    lesson.school.root.login().await.post(&path, json!({})).await.ok(204);
    let since = Instant::now();
    assert_eq!(back.closed().await, 4401);
    lesson.until_count("SELECT count(*) FROM sessions WHERE control = 'ai' AND control_epoch = 2", 1).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

/// Who ends their own sign-in to go on under a new one has gone nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_tutor_who_changes_the_password_holds_on() {
    let mut lesson = Lesson::of(lapsing(20_000)).await;
    let mut tia = lesson.school.tia.login().await;
    lesson.tia.goodbye().await;
    lesson.tia = tia.socket(&lesson.school.session).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.tia, "tutor").await;
    let new = "a lantern over the harbour";
    for (path, body) in [
        ("/auth/password", json!({"current_password": tia.password, "new_password": new})),
        ("/auth/logout-others", json!({"password": new})),
        ("/auth/email", json!({"password": new, "new_email": "tia@elsewhere.example"})),
    ] {
        let tokens = tia.post(path, body).await.ok(200);
        assert_eq!(lesson.tia.closed().await, 4401, "{path}");
        tia.take_tokens(&tokens);
        lesson.tia = tia.socket(&lesson.school.session).await;
        assert_eq!(lesson.tia.ready["state"]["tutor"], person(&lesson.school.tia), "{path}");
        say(&mut lesson.tia, "Here again").await;
    }
    assert_eq!(lesson.audited("control_ended").await, 0);
}

// ── Races ───────────────────────────────────────────────────────────────────────────────────────────

/// At random moments of an answer that comes as fast as it can: no word of the model's comes after the state
/// that names the tutor, on no socket, and what was shown is what is stored.
#[tokio::test(flavor = "multi_thread")]
async fn not_one_word_comes_after_taking_over() {
    const TRIES: usize = 200;
    let mut lesson = Lesson::of(TestApp::builder().practice()).await;
    let answers = "[[emu chunks=400 bytes=12 delay_us=20 yield=1]]";
    let mut cut = 0;
    for _ in 0..TRIES {
        lesson.ada.ask(answers).await;
        lesson.tia.event("RUN_STARTED").await;
        let pause = rand::rng().random_range(0..12_000);
        let deadline = tokio::time::Instant::now() + Duration::from_micros(pause);
        tokio::time::sleep_until(deadline).await;
        lesson.tia.command("take_over").await;
        for socket in [&mut lesson.ada, &mut lesson.tia] {
            silent_after(socket).await;
        }
        let runs = &lesson.ada.log.runs;
        cut +=
            usize::from(runs.last().unwrap().1.as_ref().unwrap()["result"]["finish_reason"] == "taken_over");
        lesson.tia.command("hand_back").await;
        for socket in [&mut lesson.ada, &mut lesson.tia] {
            control(socket, "ai").await;
        }
    }
    assert!(cut > TRIES / 2, "only {cut} of {TRIES} met an answer that was coming");
    for message in lesson.school.ada.messages(&lesson.school.session).await {
        let said = &lesson.ada.log.messages[message["id"].as_str().unwrap()];
        assert_eq!(json!(said.text), message["content"]);
    }
}

/// Reads until the tutor holds the session and the run is over: between them no word comes. Gives its end.
async fn silent_after(socket: &mut Socket) -> Value {
    let (mut held, mut end) = (false, None);
    while !(held && end.is_some()) {
        match socket.next().await {
            Frame::Control(ctl) if ctl["type"] == "state" => held |= ctl["control"] == "tutor",
            Frame::Entry { ev, .. } => {
                let kind = ev["type"].as_str().unwrap();
                assert!(!held || !kind.ends_with("_CONTENT"), "a word after the state: {ev}");
                if matches!(kind, "RUN_FINISHED" | "RUN_ERROR") {
                    end = Some(ev);
                }
            }
            Frame::Control(_) => {}
            other => panic!("{other:?}"),
        }
    }
    end.unwrap()
}

/// Everything that is a tutor's alone is refused to a student, also to a tutor in a session of their own; and
/// the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn a_students_commands_and_a_tutors_are_two_lists() {
    let mut lesson = Lesson::start().await;
    let (question, answer) = lesson.turn("one", "1").await;
    let own = lesson.school.tia.session().await;
    let mut own = lesson.school.tia.socket(&own).await;
    let before = lesson.everything().await;
    let tutors = |id: &str| {
        [
            json!({"type": "whisper", "id": id, "text": "x"}),
            json!({"type": "withdraw", "id": id, "whisper": id}),
            json!({"type": "say", "id": id, "text": "x"}),
            json!({"type": "correct", "id": id, "message": answer, "text": "x"}),
            json!({"type": "take_over", "id": id}),
            json!({"type": "hand_back", "id": id}),
            json!({"type": "claim", "id": id}),
        ]
    };
    let students = |id: &str| {
        [
            json!({"type": "send", "id": id, "text": "x"}),
            json!({"type": "edit", "id": id, "message": question, "text": "x"}),
            json!({"type": "regenerate", "id": id}),
            json!({"type": "raise_hand", "id": id}),
        ]
    };
    let id = new_id();
    for socket in [&mut lesson.ada, &mut own] {
        for command in tutors(&id) {
            socket.send(command.clone()).await;
            assert_eq!(socket.refusal(&id).await["code"], "not_allowed", "{command}");
        }
    }
    for command in students(&id) {
        lesson.tia.send(command.clone()).await;
        assert_eq!(lesson.tia.refusal(&id).await["code"], "not_allowed", "{command}");
    }
    lesson.ada.round_trip().await;
    assert_eq!(lesson.everything().await, before);
    assert!(!lesson.school.app.model.was_called());
}

/// Of what a tutor types the student sees nothing, unless the tutor holds the session.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_hold_types_unseen() {
    let mut lesson = Lesson::start().await;
    let mut root = lesson.root().await;
    lesson.ada.control("state").await;
    lesson.tia.send(json!({"type": "typing"})).await;
    assert_eq!(root.control("typing").await["who"], person(&lesson.school.tia));
    lesson.tia.command("take_over").await;
    let first = lesson
        .ada
        .until("typing or a holder", |f| f.control() == Some("typing") || f.body()["control"] == "tutor");
    assert_eq!(first.await.control(), Some("state"));
    lesson.tia.send(json!({"type": "typing"})).await;
    assert_eq!(lesson.ada.control("typing").await["who"], person(&lesson.school.tia));
}

/// Who has used up what they may ask of the model can still talk to the human who took over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_a_tutor_costs_nothing() {
    let quota = Quota { messages_day: Some(1), ..Quota::default() };
    let mut lesson =
        Lesson::of(TestApp::builder().settings(|settings| settings.quotas.student = quota)).await;
    lesson.turn("Why?", "Because.").await;
    let id = lesson.ada.ask("And now?").await;
    assert_eq!(lesson.ada.refusal(&id).await["code"], "quota_exceeded");
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    let id = lesson.ada.ask("Are you there?").await;
    lesson.ada.accepted(&id).await;
    assert_eq!(lesson.ada.run_end().await["result"]["finish_reason"], "tutor");
    lesson.tia.command("hand_back").await;
    control(&mut lesson.ada, "ai").await;
    let id = lesson.ada.ask("And now?").await;
    assert_eq!(lesson.ada.refusal(&id).await["code"], "quota_exceeded");
}

/// A message that was said to a tutor and waits while they hand back goes to the model: it counts like any other.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_answers_after_all_counts() {
    let quota = Quota { messages_day: Some(2), ..Quota::default() };
    let mut lesson =
        Lesson::of(TestApp::builder().settings(|settings| settings.quotas.student = quota)).await;
    lesson.turn("Why?", "Because.").await;
    for reason in ["stop", "over"] {
        lesson.tia.command("take_over").await;
        control(&mut lesson.ada, "tutor").await;
        let lock = lesson.school.app.database.client().await;
        lock.batch_execute("BEGIN; LOCK TABLE messages IN EXCLUSIVE MODE").await.unwrap();
        lesson.ada.ask("To you").await;
        lesson.ada.ask("To you, too").await;
        lesson.ada.round_trip().await;
        lesson.tia.command("hand_back").await;
        control(&mut lesson.ada, "ai").await;
        lock.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(lesson.ada.run_end().await["result"]["finish_reason"], "tutor");
        if reason == "stop" {
            lesson.call().await.answer("So").await;
            assert_eq!(lesson.ada.run_end().await["result"]["finish_reason"], "stop");
        } else {
            assert_eq!(lesson.ada.run_end().await["code"], "quota_exceeded");
        }
    }
    assert_eq!(lesson.school.app.count("SELECT max(messages) FROM quota_use").await, 2);
    assert!(!lesson.school.app.model.was_called());
    let stored = lesson.stored().await;
    let last = &stored[stored.len() - 1];
    assert_eq!((&last["status"], &last["error"]), (&json!("failed"), &json!("quota_exceeded")));
    assert_eq!((&last["content"], &stored[stored.len() - 2]["content"]), (&json!(""), &json!("To you, too")));
    // Also when the process died in between: what waits is told by when it was said.
    lesson.school.app.stop().await;
    let (session, tia) = (&lesson.school.session, &lesson.school.tia.user_id);
    let rows = format!(
        "INSERT INTO tutor_acts (id, session_id, actor_id, kind, at) \
         SELECT gen_random_uuid(), '{session}', '{tia}', 'took_over', now(); \
         INSERT INTO messages \
             (session_id, id, ord, run_id, role, author_id, author_kind, content, status, created_at) \
         SELECT '{session}', gen_random_uuid(), 4611686018427388000, gen_random_uuid(), 'user', '{}', 'student', \
                'Still there?', 'queued', now() + interval '1 second'; \
         INSERT INTO tutor_acts (id, session_id, actor_id, kind, at) \
         SELECT gen_random_uuid(), '{session}', '{tia}', 'handed_back', now() + interval '2 seconds'",
        lesson.school.ada.user_id
    );
    lesson.school.app.execute(&rows).await;
    lesson.school.app.start_again().await;
    let failed = "SELECT count(*) FROM messages WHERE status = 'failed' AND error = 'quota_exceeded'";
    lesson.until_count(failed, 2).await;
    assert!(!lesson.school.app.model.was_called());
}

/// A snapshot shows all that is said in a run, so that is not without end.
#[tokio::test(flavor = "multi_thread")]
async fn tutors_say_so_much_in_one_run_and_no_more() {
    let mut lesson = Lesson::start().await;
    let call = lesson.speaking("It is ").await;
    for n in 0..64 {
        say(&mut lesson.tia, &format!("{n}")).await;
    }
    let id = order(&mut lesson.tia, "say", json!({"text": "one more"})).await;
    assert_eq!(lesson.tia.refusal(&id).await["code"], "queue_full");
    call.answer("so").await;
    lesson.ada.run_end().await;
    say(&mut lesson.tia, "In a run of its own").await;
}
