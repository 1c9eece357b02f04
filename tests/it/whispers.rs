//! Whispers: to the model alone, and to those who watch.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::TestApp;
use crate::support::lesson::{Lesson, control, order, say, whisper};
use crate::support::socket::new_id;

const SECRET: &str = "Kestrel-7f: ask for the common denominator";

async fn guidance(socket: &mut crate::support::socket::Socket, count: usize) -> Vec<Value> {
    let all = socket.until("guidance", |frame| {
        frame.control() == Some("guidance") && frame.body()["items"].as_array().unwrap().len() == count
    });
    all.await.body()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whisper_goes_into_the_next_call_and_no_further() {
    let mut lesson = Lesson::start().await;
    let heard = Arc::new(Mutex::new(String::new()));
    lesson.ada.listen(&heard);
    let mut root = lesson.root().await;
    let id = whisper(&mut lesson.tia, SECRET).await;
    let told = root.control("whispered").await;
    assert_eq!((&told["id"], &told["by"]["name"]), (&json!(id), &json!("tia")));
    let items = guidance(&mut root, 1).await;
    assert_eq!((&items[0]["kind"], &items[0]["until"]), (&json!("whisper"), &json!("next")));
    // Sent again: once, and told to who asked.
    lesson.tia.send(json!({"type": "whisper", "id": id, "text": SECRET})).await;
    assert_eq!(lesson.tia.control("whispered").await["id"], json!(id));

    lesson.ada.ask("What is 1/2 + 1/3?").await;
    let call = lesson.call().await;
    assert!(call.request["systemInstruction"].to_string().contains(SECRET), "{}", call.request);
    assert!(!call.request["contents"].to_string().contains(SECRET));
    call.answer("What do both divide?").await;
    lesson.ada.run_end().await;
    assert_eq!(lesson.tia.until("used", |f| f.body()["state"] == "used").await.body()["id"], json!(id));
    guidance(&mut lesson.tia, 0).await;
    lesson.ada.ask("6?").await;
    let call = lesson.call().await;
    assert!(!call.request.to_string().contains(SECRET), "for one answer");
    call.answer("Yes").await;
    lesson.ada.run_end().await;
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'used' AND run_id IS NOT NULL", 1).await;
    // Used and sent again: that is no second whisper.
    lesson.tia.send(json!({"type": "whisper", "id": id, "text": SECRET})).await;
    guidance(&mut lesson.tia, 0).await;
    lesson.ada.round_trip().await;
    drop(lesson.school.ada.socket(&lesson.school.session).await);
    assert!(!heard.lock().unwrap().contains("Kestrel"));
    assert!(!lesson.contents().await.join("").contains("Kestrel"));
    assert_eq!(lesson.audited("whispered").await, 1);
    let ada = &lesson.school.ada.user_id;
    let about = format!("SELECT count(*) FROM audit WHERE event = 'whispered' AND about_id = '{ada}'");
    assert_eq!(lesson.school.app.count(&about).await, 0, "what is about her is hers to read");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_until_it_is_withdrawn_holds_for_every_answer_and_over_a_restart() {
    let mut lesson = Lesson::start().await;
    let id = order(&mut lesson.tia, "whisper", json!({"text": SECRET, "until": "withdrawn"})).await;
    guidance(&mut lesson.tia, 1).await;
    for question in ["one", "two"] {
        lesson.ada.ask(question).await;
        let call = lesson.call().await;
        assert!(call.request.to_string().contains(SECRET));
        call.answer("yes").await;
        lesson.ada.run_end().await;
    }
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let addr = lesson.school.app.addr;
    let mut tia = lesson.school.tia.at(addr).socket(&lesson.school.session).await;
    assert_eq!(guidance(&mut tia, 1).await[0]["id"], json!(id));
    let mut ada = lesson.school.ada.at(addr).socket(&lesson.school.session).await;
    let withdraw = order(&mut tia, "withdraw", json!({"whisper": id})).await;
    assert_eq!(tia.control("whispered").await["state"], "withdrawn", "{withdraw}");
    guidance(&mut tia, 0).await;
    // It has ended: once more changes nothing. One that never was is refused.
    order(&mut tia, "withdraw", json!({"whisper": id})).await;
    guidance(&mut tia, 0).await;
    let unknown = order(&mut tia, "withdraw", json!({"whisper": new_id()})).await;
    assert_eq!(tia.refusal(&unknown).await["code"], "invalid_command");
    ada.ask("three").await;
    let call = lesson.call().await;
    assert!(!call.request.to_string().contains(SECRET));
    call.answer("yes").await;
    ada.run_end().await;
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'withdrawn'", 1).await;
    assert_eq!(lesson.audited("whisper_withdrawn").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_word_gives_the_whisper_back() {
    let mut lesson = Lesson::start().await;
    whisper(&mut lesson.tia, SECRET).await;
    lesson.ada.ask("one").await;
    lesson.call().await.refuse(400, json!({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}));
    assert_eq!(lesson.ada.run_end().await["type"], "RUN_ERROR");
    lesson.ada.command("regenerate").await;
    let call = lesson.call().await;
    assert!(call.request.to_string().contains(SECRET));
    call.answer("yes").await;
    lesson.ada.run_end().await;
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'used'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whisper_that_is_too_long_is_refused_and_a_frame_that_is_too_long_closes() {
    let mut lesson = Lesson::start().await;
    let long = order(&mut lesson.tia, "whisper", json!({"text": "x".repeat(16 * 1024 + 1)})).await;
    assert_eq!(lesson.tia.refusal(&long).await["code"], "text_too_long");
    whisper(&mut lesson.tia, "short").await;
    let huge = json!({"type": "whisper", "id": new_id(), "text": "x".repeat(100 * 1024)});
    lesson.tia.try_send(Message::text(huge.to_string())).await;
    assert_eq!(lesson.tia.closed().await, 1009);
    assert_eq!(lesson.school.app.count("SELECT count(*) FROM whispers").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_whispers_sixteen_wait() {
    let mut lesson = Lesson::start().await;
    for n in 0..500 {
        order(&mut lesson.tia, "whisper", json!({"text": format!("whisper {n}")})).await;
    }
    let (mut kept, mut refused) = (Vec::new(), 0);
    while kept.len() + refused < 500 {
        let said =
            lesson.tia.until("an answer", |f| matches!(f.control(), Some("whispered" | "error"))).await;
        match said.control() {
            Some("whispered") => kept.push(said.body()["id"].clone()),
            _ => {
                assert_eq!(said.body()["code"], "queue_full");
                refused += 1;
            }
        }
    }
    assert_eq!((kept.len(), refused), (16, 484));
    assert_eq!(lesson.school.app.count("SELECT count(*) FROM whispers").await, 16);
    // By their bytes, too.
    for id in kept {
        order(&mut lesson.tia, "withdraw", json!({"whisper": id})).await;
    }
    guidance(&mut lesson.tia, 0).await;
    for _ in 0..2 {
        whisper(&mut lesson.tia, &"x".repeat(16 * 1024)).await;
    }
    let third = order(&mut lesson.tia, "whisper", json!({"text": "y"})).await;
    assert_eq!(lesson.tia.refusal(&third).await["code"], "queue_full");
}

/// What tutors alone are told takes no number, and is told whole to whoever comes.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_to_watch_is_told_what_waits_and_a_student_is_not() {
    let mut lesson = Lesson::start().await;
    lesson.turn("one", "1").await;
    let head = lesson.tia.log.seq;
    whisper(&mut lesson.tia, SECRET).await;
    lesson.tia.command("take_over").await;
    control(&mut lesson.ada, "tutor").await;
    lesson.tia.round_trip().await;
    assert_eq!(lesson.tia.log.seq, head);
    let mut root = lesson.root().await;
    assert_eq!(guidance(&mut root, 1).await[0]["text"], json!(SECRET));
    root.control("signals").await;
    // Back where it was.
    let (epoch, log) = (lesson.tia.epoch.clone(), lesson.tia.drop_connection());
    let mut back = lesson.school.tia.resume(&lesson.school.session, &epoch, log).await;
    assert_eq!(back.ready["resumed"], true);
    guidance(&mut back, 1).await;
    // The student, from the very beginning of the epoch.
    let epoch = lesson.ada.epoch.clone();
    let heard = Arc::new(Mutex::new(String::new()));
    let mut ada = lesson.school.ada.resume(&lesson.school.session, &epoch, Default::default()).await;
    ada.listen(&heard);
    say(&mut back, "Hello").await;
    ada.run_end().await;
    ada.round_trip().await;
    let heard = heard.lock().unwrap();
    assert!(heard.contains("Hello") && !heard.contains("Kestrel") && !heard.contains("signals"), "{heard}");
}

/// A model that thinks aloud repeats what it was told.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_guided_model_thinks_aloud_is_not_said() {
    let mut lesson = Lesson::start().await;
    let heard = Arc::new(Mutex::new(String::new()));
    lesson.ada.listen(&heard);
    for guided in [true, false] {
        if guided {
            whisper(&mut lesson.tia, SECRET).await;
        }
        lesson.ada.ask("What is 1/2 + 1/3?").await;
        let mut call = lesson.call().await;
        let thought =
            json!({"content": {"parts": [{"text": SECRET, "thought": true}], "role": "model"}, "index": 0});
        call.raw(format!("data: {}\r\n\r\n", json!({"candidates": [thought]}))).await;
        // That it thinks is told in both cases.
        lesson.ada.event("REASONING_START").await;
        call.answer("What do both divide?").await;
        lesson.ada.run_end().await;
        assert_eq!(heard.lock().unwrap().contains(SECRET), !guided);
    }
}

/// The answer of a commit is lost: it is refused, and what was refused does not guide later.
#[tokio::test(flavor = "multi_thread")]
async fn a_whisper_that_was_refused_never_comes_to_pass() {
    let mut lesson = Lesson::of(TestApp::builder().database_proxy()).await;
    let lock = lesson.school.app.database.client().await;
    lock.batch_execute("BEGIN; LOCK TABLE whispers IN SHARE MODE").await.unwrap();
    let refused = order(&mut lesson.tia, "whisper", json!({"text": SECRET})).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%whispers%'";
    lesson.until_count(waits, 1).await;
    lesson.school.app.database_proxy.as_ref().unwrap().mute();
    lock.batch_execute("ROLLBACK").await.unwrap();
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'waiting'", 1).await;
    let database = lesson.school.app.database_proxy.take().unwrap();
    database.cut();
    assert_eq!(lesson.tia.refusal(&refused).await["code"], "storage_unavailable");
    database.heal();
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'waiting'", 0).await;
    lesson.until_count("SELECT count(*) FROM whispers WHERE state = 'withdrawn'", 1).await;
    // Nor under that id, as if it were kept.
    lesson.tia.send(json!({"type": "whisper", "id": refused, "text": SECRET})).await;
    assert_eq!(lesson.tia.refusal(&refused).await["code"], "invalid_command");
    whisper(&mut lesson.tia, SECRET).await;
}

/// Long guidance that changes often does not push out what a student missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_student_comes_back_to_the_log_whatever_was_whispered_meanwhile() {
    let mut lesson = Lesson::start().await;
    lesson.turn("one", "1").await;
    let epoch = lesson.ada.epoch.clone();
    let Lesson { school, ada, mut tia } = lesson;
    let seen = ada.drop_connection();
    say(&mut tia, "Are you there?").await;
    let text = "Slower. ".repeat(1900);
    for _ in 0..40 {
        let id = whisper(&mut tia, &text).await;
        order(&mut tia, "withdraw", json!({"whisper": id})).await;
        guidance(&mut tia, 0).await;
    }
    say(&mut tia, "Welcome back").await;
    let mut back = school.ada.resume(&school.session, &epoch, seen).await;
    assert_eq!(back.ready["resumed"], true);
    for said in ["Are you there?", "Welcome back"] {
        assert_eq!(back.run_end().await["result"]["finish_reason"], "tutor");
        assert_eq!(back.log.answer().text, said);
    }
}
