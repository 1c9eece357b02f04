//! Raised hands, and who comes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::frame::Frame;
use crate::support::lesson::{Lesson, control, person};
use crate::support::socket::Socket;

async fn claimed(socket: &mut Socket, by: Value) -> Value {
    let so = |frame: &Frame| frame.control() == Some("state") && frame.body()["hand"]["claimed_by"] == by;
    socket.until("a claim", so).await.body().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_is_claimed_once_and_the_student_sees_who_comes() {
    let mut lesson = Lesson::start().await;
    let mut root = lesson.root().await;
    let early = lesson.tia.command("claim").await;
    let refused = lesson.tia.refusal(&early).await;
    assert_eq!(refused["code"], "invalid_command", "no hand is up");
    lesson.ada.command("raise_hand").await;
    let so = |frame: &Frame| frame.control() == Some("state") && frame.body()["hand"].is_object();
    let up = lesson.tia.until("a hand", so).await.body().clone();
    assert_eq!((&up["hand_raised"], &up["hand"]["claimed_by"]), (&json!(true), &Value::Null));
    assert!(up["hand"]["since"].is_string());
    lesson.until_count("SELECT count(*) FROM sessions WHERE hand_raised", 1).await;
    let tia = person(&lesson.school.tia);
    lesson.tia.command("claim").await;
    for socket in [&mut lesson.ada, &mut root] {
        assert_eq!(claimed(socket, tia.clone()).await["hand"]["since"], up["hand"]["since"]);
    }
    let late = root.command("claim").await;
    let refused = root.refusal(&late).await;
    assert_eq!(refused["code"], "control_held");
    assert_eq!(refused["message"], "tia is coming already.");
    // She says so once more.
    lesson.tia.command("claim").await;
    claimed(&mut lesson.tia, tia.clone()).await;
    lesson.until_count("SELECT count(*) FROM sessions WHERE hand_claimed_by IS NOT NULL", 1).await;
    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let addr = lesson.school.app.addr;
    let mut ada = lesson.school.ada.at(addr).socket(&lesson.school.session).await;
    assert_eq!(ada.ready["state"]["hand"]["claimed_by"], tia);
    // Whoever takes over has come.
    let mut tutor = lesson.school.tia.at(addr).socket(&lesson.school.session).await;
    tutor.command("take_over").await;
    let state = control(&mut ada, "tutor").await;
    assert_eq!((&state["hand_raised"], state.get("hand")), (&json!(false), None));
    lesson.until_count("SELECT count(*) FROM sessions WHERE NOT hand_raised AND hand_claimed_by IS NULL AND id = (SELECT session_id FROM tutor_acts LIMIT 1)", 1).await;
    assert_eq!(lesson.audited("hand_claimed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_coming_is_shown_even_where_watchers_are_not() {
    let mut lesson = Lesson::start().await;
    lesson.school.root.patch("/admin/organisation/policy", json!({"show_watchers": false})).await.ok(200);
    lesson.ada.command("raise_hand").await;
    lesson.tia.command("claim").await;
    let state = claimed(&mut lesson.ada, person(&lesson.school.tia)).await;
    assert_eq!(state["watchers"], json!([]));
    // A tutor lowers it.
    lesson.tia.command("lower_hand").await;
    let so = |frame: &Frame| frame.control() == Some("state") && frame.body()["hand_raised"] == false;
    assert_eq!(lesson.ada.until("no hand", so).await.body().get("hand"), None);
    lesson.until_count("SELECT count(*) FROM tutor_acts WHERE kind = 'lowered_hand'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_said_that_they_come_and_does_not_is_forgotten() {
    let builder = TestApp::builder().settings(|s| s.session.lapse_after = Duration::from_millis(600));
    let mut lesson = Lesson::of(builder).await;
    lesson.ada.command("raise_hand").await;
    lesson.tia.control("state").await;
    lesson.tia.command("claim").await;
    claimed(&mut lesson.ada, person(&lesson.school.tia)).await;
    // As long as she is there it is hers.
    tokio::time::sleep(Duration::from_millis(800)).await;
    lesson.ada.round_trip().await;
    let now = lesson.school.ada.socket(&lesson.school.session).await;
    assert_eq!(now.ready["state"]["hand"]["claimed_by"], person(&lesson.school.tia));
    lesson.tia.goodbye().await;
    let state = claimed(&mut lesson.ada, Value::Null).await;
    assert_eq!(state["hand_raised"], true);
    lesson
        .until_count("SELECT count(*) FROM sessions WHERE hand_raised AND hand_claimed_by IS NULL", 1)
        .await;
    // Another may come now.
    let mut root = lesson.root().await;
    root.command("claim").await;
    claimed(&mut lesson.ada, person(&lesson.school.root)).await;
}
