//! Who gets a socket, and when it ends: contract 3, its introduction and 3.3.

use std::time::{Duration, Instant};

use fynq::config::Rate;
use serde_json::json;

use crate::support::app::{Scene, TestApp};
use crate::support::client::{Client, PROTOCOL};
use crate::support::frame::Frame;
use crate::support::keys::{SigningKey, part};
use crate::support::socket::{Refusal, Socket, new_id};

fn path(session: &str) -> String {
    format!("/api/v1/sessions/{session}/socket")
}

async fn refused(scene: &Scene, path: &str, headers: &[(&str, &str)]) -> Refusal {
    match Socket::open_bare(scene.app.addr, path, headers).await {
        Ok(_) => panic!("{path} with {headers:?} was not refused"),
        Err(refusal) => refusal,
    }
}

async fn ticket(who: &Client) -> String {
    let body = who.post("/socket-tickets", json!({})).await.ok(201);
    assert_eq!(body["expires_in"], 30);
    body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_or_a_bad_one_is_401_before_the_upgrade() {
    let scene = Scene::start().await;
    let path = path(&scene.session);
    for headers in [vec![PROTOCOL], vec![PROTOCOL, ("authorization", "Bearer nonsense")]] {
        let refusal = refused(&scene, &path, &headers).await;
        assert_eq!(refusal.status, 401, "{headers:?}");
        assert!(refusal.body["code"].is_string(), "{refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_opens_no_door() {
    let scene = Scene::start().await;
    let ticket = ticket(&scene.ada).await;
    for query in [
        format!("token={}", scene.ada.token),
        format!("ticket={ticket}"),
        format!("access_token={}", scene.ada.token),
    ] {
        let refusal = refused(&scene, &format!("{}?{query}", path(&scene.session)), &[PROTOCOL]).await;
        assert_eq!(refusal.status, 401, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_socket_once() {
    let scene = Scene::start().await;
    let ticket = format!("fynq.v1, ticket.{}", ticket(&scene.ada).await);
    let headers = [("sec-websocket-protocol", ticket.as_str())];
    let mut socket =
        Socket::open(scene.app.addr, &path(&scene.session), &headers).await.expect("a ticket opens");
    assert_eq!(socket.ready["you"]["id"], json!(scene.ada.user_id));
    socket.round_trip().await;
    assert_eq!(refused(&scene, &path(&scene.session), &headers).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_is_403_and_ones_own_or_an_allowed_one_is_not() {
    let builder = TestApp::builder().settings(|s| s.allowed_origins = vec!["https://tutor.example".into()]);
    let scene = Scene::of(builder).await;
    let bearer = scene.ada.bearer();
    let own = format!("http://{}", scene.app.addr);
    for (origin, good) in [
        (own.as_str(), true),
        ("https://tutor.example", true),
        ("https://evil.example", false),
        ("https://tutor.example.evil.example", false),
        ("http://tutor.example", false),
        ("null", false),
    ] {
        let headers = [("authorization", bearer.as_str()), PROTOCOL, ("origin", origin)];
        match Socket::open_bare(scene.app.addr, &path(&scene.session), &headers).await {
            Ok(_) => assert!(good, "{origin} was let in"),
            Err(refusal) => {
                assert!(!good, "{origin} was refused");
                assert_eq!(refusal.status, 403, "{origin}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_students_session_is_404_like_one_that_never_was() {
    let scene = Scene::start().await;
    let eve = scene.app.student("eve").await;
    for session in [scene.session.clone(), new_id(), "not-a-uuid".to_owned()] {
        let refusal = eve.try_socket(&session).await.expect_err("refused");
        assert_eq!(refusal.status, 404, "{session}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_watches_and_may_not_speak() {
    let builder = TestApp::builder().settings(|s| {
        s.accounts.admin = Some(("root@school.example".into(), "a long password".to_owned().into()));
    });
    let mut scene = Scene::of(builder).await;
    let mut root = Client::stranger(scene.app.addr);
    root.email = "root@school.example".to_owned();
    root.password = "a long password".to_owned();
    let root = root.login().await;
    let mut watching = root.socket(&scene.session).await;
    assert_eq!(watching.ready["you"]["role"], "admin");
    let state = scene.socket.control("state").await;
    assert_eq!(state["watchers"][0]["id"], json!(root.user_id), "the student sees who watches");
    scene.turn("Hello", "Hi").await;
    watching.run_end().await;
    assert_eq!(watching.log.events, scene.socket.log.events);
    let id = watching.ask("I speak").await;
    assert_eq!(watching.refusal(&id).await["code"], "not_allowed");
    drop(watching);
    let left = scene.socket.until("nobody watches", |frame| {
        frame.control() == Some("state") && frame.body()["watchers"] == json!([])
    });
    left.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_closes_with_4404() {
    let mut scene = Scene::start().await;
    scene.ada.delete(&format!("/sessions/{}", scene.session)).await.ok(204);
    assert_eq!(scene.socket.closed().await, 4404);
    assert_eq!(scene.ada.try_socket(&scene.session).await.expect_err("gone").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_open_sockets_within_five_seconds() {
    let mut scene = Scene::start().await;
    // Another sign-in of the same person goes on.
    let elsewhere = scene.ada.login().await;
    let mut other = elsewhere.socket(&scene.session).await;
    let logout = json!({"refresh_token": scene.ada.refresh_token});
    scene.ada.post("/auth/logout", logout).await.ok(204);
    let since = Instant::now();
    assert_eq!(scene.socket.closed().await, 4401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    other.round_trip().await;
    assert_eq!(scene.ada.try_socket(&scene.session).await.expect_err("signed out").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_ends_open_sockets_within_five_seconds() {
    let mut scene = Scene::start().await;
    let since = Instant::now();
    scene
        .app
        .execute(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", scene.ada.user_id))
        .await;
    assert_eq!(scene.socket.closed().await, 4403);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_401_at_the_door() {
    let secret = "a secret that is only a test's own";
    let builder = TestApp::builder().settings(|s| s.accounts.token_secret = Some(secret.to_owned().into()));
    let app = builder.start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let key = SigningKey::hs256(secret.as_bytes());
    let that_ends_in = |seconds: i64| {
        let mut claims = part(&ada.token, 1);
        claims["exp"] = json!(fynq::clock::now().as_second() + seconds);
        ada.with_token(key.sign_texts(&part(&ada.token, 0).to_string(), &claims.to_string()))
    };
    assert!(that_ends_in(600).try_socket(&session).await.is_ok());
    let ada = that_ends_in(-1);
    assert_eq!(ada.try_socket(&session).await.expect_err("expired").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_tells_everyone_lets_runs_end_then_closes_with_1012() {
    let mut scene = Scene::start().await;
    scene.socket.ask("A last word?").await;
    let mut call = scene.app.model.call().await;
    call.text("I ").await;
    scene.socket.answer_so_far("I ").await;
    let waiting = scene.socket.ask("And one more").await;
    scene.socket.accepted(&waiting).await;
    let (addr, ada, session) = (scene.app.addr, scene.ada.clone(), scene.session.clone());
    let mut socket = scene.socket;
    let watching = tokio::spawn(async move {
        let told = socket.control("draining").await;
        assert!(told["retry_after_ms"].as_u64().unwrap() > 0);
        // No new sockets, no new commands; the run goes on.
        let refusal = ada.try_socket(&session).await.expect_err("draining");
        assert_eq!(refusal.status, 503);
        let id = socket.ask("Too late").await;
        assert_eq!(socket.refusal(&id).await["code"], "draining");
        call.answer("finish").await;
        let end = socket.run_end().await;
        assert_eq!(end["result"]["finish_reason"], "stop");
        assert_eq!(socket.closed().await, 1012);
    });
    scene.app.stop().await;
    watching.await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "it still listens");

    // What waited is answered after the restart, with nobody there to ask for it.
    scene.app.start_again().await;
    scene.app.model.call().await.answer("here").await;
    let mut back = scene.ada.at(scene.app.addr).socket(&scene.session).await;
    if back.ready["state"]["run"].is_string() {
        back.run_end().await;
    }
    let contents: Vec<_> = back
        .log
        .messages
        .values()
        .map(|said| said.text.clone())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(contents, ["A last word?", "And one more", "I finish", "here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_running_too_everyone_is_told_when_to_come_back() {
    let mut scene = Scene::start().await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(scene.second().await);
    }
    scene.app.stop().await;
    for mut socket in sockets {
        assert!(socket.control("draining").await["retry_after_ms"].as_u64().unwrap() > 0);
        assert_eq!(socket.closed().await, 1012);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_knocks_too_often_is_429_before_the_upgrade() {
    let scene = Scene::of(TestApp::builder().settings(|s| {
        s.rate_limit = true;
        s.limits.handshakes_address = Rate::new(60, Duration::from_secs(60));
    }))
    .await;
    let knock = async || refused(&scene, &path(&scene.session), &[PROTOCOL]).await;
    let mut last = knock().await;
    for _ in 0..40 {
        let knocks = futures_util::future::join_all((0..50).map(|_| knock())).await;
        last = knocks.into_iter().find(|refusal| refusal.status != 401).unwrap_or(last);
        if last.status != 401 {
            break;
        }
    }
    assert_eq!((last.status, &last.body["code"]), (429, &json!("rate_limited")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_outlasts_the_drain_ends_interrupted_with_its_text() {
    let builder = TestApp::builder().settings(|s| s.drain = Duration::from_millis(300));
    let mut scene = Scene::of(builder).await;
    scene.socket.ask("For ever?").await;
    let mut call = scene.app.model.call().await;
    call.text("and ever ").await;
    scene.socket.answer_so_far("and ever ").await;
    let mut socket = scene.socket;
    let watching = tokio::spawn(async move {
        let end = socket.run_end().await;
        assert_eq!((&end["type"], &end["code"]), (&json!("RUN_ERROR"), &json!("interrupted")));
        assert_eq!(socket.closed().await, 1012);
    });
    scene.app.stop().await;
    watching.await.unwrap();
    call.hung_up().await;
    scene.app.start_again().await;
    let answer = scene.ada.at(scene.app.addr).messages(&scene.session).await.pop().unwrap();
    assert_eq!((&answer["content"], &answer["status"]), (&json!("and ever "), &json!("interrupted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_and_socket_see_one_conversation() {
    let mut scene = Scene::start().await;
    let ada = scene.ada.clone();
    let session = scene.session.clone();
    let asked = tokio::spawn(async move {
        ada.post("/chat/message", json!({"session_id": session, "text": "From REST"})).await.ok(200)
    });
    scene.app.model.call().await.answer("To both").await;
    let reply = asked.await.unwrap();
    scene.socket.run_end().await;
    assert_eq!(reply["reply"]["content"], "To both");
    assert_eq!(scene.socket.log.answer().text, "To both");
    assert!(matches!(scene.socket.next().await, Frame::Control(_)));
}
