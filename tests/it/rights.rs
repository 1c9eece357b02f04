//! Rights that end: contract 3.3.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Scene, TestApp};
use crate::support::frame::Frame;
use crate::support::school::School;
use crate::support::socket::new_id;

const WITHIN: Duration = Duration::from_secs(5);

async fn role_becomes(scene: &Scene, role: &str) {
    let user = &scene.ada.user_id;
    scene.app.execute(&format!("UPDATE users SET role = '{role}' WHERE id = '{user}'")).await;
}

/// With another role the socket would not have been opened like this.
#[tokio::test(flavor = "multi_thread")]
async fn another_role_ends_open_sockets_within_five_seconds() {
    let mut scene = Scene::start().await;
    let eve = scene.app.student("eve").await;
    let others = eve.session().await;
    let mut other = eve.socket(&others).await;
    for role in ["tutor", "student"] {
        let since = Instant::now();
        role_becomes(&scene, role).await;
        assert_eq!(scene.socket.closed().await, 4403, "{role}");
        assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
        // The token still says who it is, and the database what they are now.
        scene.socket = scene.second().await;
        assert_eq!(scene.socket.ready["you"]["role"], role);
        scene.socket.round_trip().await;
    }
    other.round_trip().await;
}

/// Rights end also for somebody who reads nothing, while the server is in the middle of a write.
#[tokio::test(flavor = "multi_thread")]
async fn rights_end_while_a_write_is_stuck() {
    let builder = TestApp::builder().settings(|s| {
        s.session.log_bytes = 32 << 20;
        // Else it would be closed for its slowness.
        s.socket.write_timeout = Duration::from_secs(120);
    });
    let mut scene = Scene::of(builder).await;
    let elsewhere = scene.ada.login().await;
    let mut stuck = elsewhere.socket(&scene.session).await;
    // More than the kernel keeps for a reader that takes nothing: at most 4 MiB on one side, and
    // what the other began with.
    let words = "many words ".repeat(18_000);
    for _ in 0..32 {
        scene.turn("Everything", &words).await;
    }
    let since = Instant::now();
    let logout = json!({"refresh_token": elsewhere.refresh_token});
    elsewhere.post("/auth/logout", logout).await.ok(204);
    scene.app.sockets(1).await;
    assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
    scene.socket.round_trip().await;
    // It had not read it all, so it was in a write that it ended.
    let ended = |frame: &Frame| matches!(frame, Frame::Close { .. } | Frame::Gone);
    stuck.until_any("the end", ended).await;
    assert!(stuck.log.seq < scene.socket.log.seq, "it was not stuck");
}

/// Whoever changes between two sign-ins faster than the database is looked at keeps no right by it.
#[tokio::test(flavor = "multi_thread")]
async fn changing_between_sign_ins_keeps_no_right_to_watch() {
    let s = School::start().await;
    let sign_ins = [s.tia.login().await, s.tia.clone()];
    let mut socket = s.tia.socket(&s.session).await;
    let since = Instant::now();
    s.root.delete(&format!("/classes/{}/members/{}", s.class, s.tia.user_id)).await.ok(204);
    let mut turns = sign_ins.iter().cycle();
    loop {
        // The answer to the ping tells that the sign-in was taken.
        let auth = json!({"type": "auth", "id": new_id(), "token": turns.next().unwrap().token});
        let alive = socket.try_send(Message::text(auth.to_string())).await
            && socket.try_send(Message::text(r#"{"type":"ping","t":"still here"}"#)).await;
        if !alive {
            break;
        }
        let frame = socket.next().await;
        if matches!(frame, Frame::Close { .. } | Frame::Gone) {
            assert!(!matches!(frame, Frame::Close { code, .. } if code != 4403), "{frame:?}");
            break;
        }
        assert!(since.elapsed() < WITHIN, "it still watches: {frame:?}");
    }
    assert!(since.elapsed() < Duration::from_secs(1), "asked when the sign-in came: {:?}", since.elapsed());
}
