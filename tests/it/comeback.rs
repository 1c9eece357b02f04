//! Coming back, and those who read slowly or not at all: contract 3.3.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{Scene, TestApp};
use crate::support::client::PROTOCOL;
use crate::support::frame::{Frame, Transcript};
use crate::support::proxy::{Proxy, Target};
use crate::support::socket::{Socket, new_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_gets_exactly_what_it_missed() {
    let mut scene = Scene::start().await;
    scene.socket.ask("Tell me").await;
    let mut call = scene.app.model.call().await;
    call.text("one ").await;
    scene.socket.answer_so_far("one ").await;
    let epoch = scene.socket.epoch.clone();
    let mut watcher = scene.second().await;
    let seen = scene.socket.drop_connection();

    call.text("two ").await;
    watcher.answer_so_far("one two ").await;
    // Missed entries first, then live ones; `Transcript` fails on a gap or a repeat.
    let mut back = scene.ada.resume(&scene.session, &epoch, seen).await;
    assert_eq!((&back.ready["resumed"], back.snapshot.is_none()), (&json!(true), true));
    back.answer_so_far("one two ").await;
    call.text("three").await;
    call.finish("STOP").await;
    back.run_end().await;
    assert_eq!(back.log.answer().text, "one two three");

    // Back once more with nothing missed: nothing is repeated.
    let again = back.drop_connection();
    let mut back = scene.ada.resume(&scene.session, &epoch, again).await;
    assert_eq!(back.ready["head"], json!(back.log.seq));
    back.round_trip().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_log_can_be_had_from_its_beginning() {
    let mut scene = Scene::start().await;
    scene.turn("one", "1").await;
    let all = scene.ada.resume(&scene.session, &scene.socket.epoch, Transcript::default()).await;
    let mut all = all;
    all.run_end().await;
    assert_eq!(all.log.events, scene.socket.log.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resumed_gets_a_snapshot() {
    let mut scene = Scene::start().await;
    scene.turn("one", "1").await;
    let epoch = scene.socket.epoch.clone();
    let head = scene.socket.log.seq;
    for (why, epoch, after) in [
        ("another epoch", new_id(), head.to_string()),
        ("beyond the head", epoch.clone(), (head + 1).to_string()),
        ("an epoch that is none", "yesterday".to_owned(), "1".to_owned()),
        ("a number that is none", epoch, "x".to_owned()),
    ] {
        let path = format!("/api/v1/sessions/{}/socket?epoch={epoch}&after={after}", scene.session);
        let bearer = scene.ada.bearer();
        let socket = Socket::open(scene.app.addr, &path, &[("authorization", &bearer), PROTOCOL]).await;
        let socket = socket.unwrap_or_else(|refusal| panic!("{why}: {refusal:?}"));
        assert_eq!(socket.ready["resumed"], false, "{why}");
        assert_eq!(socket.snapshot.unwrap()["messages"].as_array().unwrap().len(), 2, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_no_longer_reaches_back_gives_a_snapshot() {
    let builder = TestApp::builder().settings(|s| s.session.log_bytes = 4096);
    let mut scene = Scene::of(builder).await;
    scene.turn("first", "1").await;
    let (epoch, seen) = (scene.socket.epoch.clone(), scene.socket.log.clone());
    scene.turn("more", &"words ".repeat(2000)).await;
    let back = scene.ada.resume(&scene.session, &epoch, seen).await;
    assert_eq!((&back.ready["resumed"], &back.ready["epoch"]), (&json!(false), &json!(epoch)));
    assert_eq!(back.snapshot.unwrap()["messages"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_cuts_gives_the_same_text() {
    let mut scene = Scene::start().await;
    let proxy = Proxy::start(Target::Tcp(scene.app.addr)).await;
    let ada = scene.ada.at(proxy.addr);
    scene.socket.ask("Count").await;
    let mut call = scene.app.model.call().await;
    let epoch = scene.socket.epoch.clone();
    let mut seen = scene.socket.log.clone();
    let mut wanted = String::new();
    for number in 0..12 {
        let mut socket = ada.resume(&scene.session, &epoch, seen).await;
        assert_eq!(socket.ready["resumed"], true);
        for part in 0..3 {
            let words = format!("{number}.{part} ");
            wanted.push_str(&words);
            call.text(&words).await;
        }
        // The cut falls somewhere within what was just said.
        for _ in 0..number % 4 {
            socket.next().await;
        }
        proxy.cut();
        seen = socket.drop_connection();
    }
    call.finish("STOP").await;
    let mut socket = ada.resume(&scene.session, &epoch, seen).await;
    socket.run_end().await;
    assert_eq!(socket.log.answer().text, wanted);
    assert_eq!(scene.ada.messages(&scene.session).await[1]["content"], json!(wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_left_memory_comes_back_from_the_database() {
    let builder = TestApp::builder().settings(|s| s.session.idle_after = Duration::from_millis(100));
    let mut scene = Scene::of(builder).await;
    scene.turn("Remember", "I will").await;
    let epoch = scene.socket.epoch.clone();
    let seen = scene.socket.drop_connection();
    scene.app.sockets(0).await;
    let gone = async {
        while !scene.app.server().app().sessions.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it stays in memory");
    let mut back = scene.ada.resume(&scene.session, &epoch, seen).await;
    assert_eq!(back.ready["resumed"], false, "another life, another epoch");
    assert_ne!(back.ready["epoch"], json!(epoch));
    back.ask("Do you?").await;
    let call = scene.app.model.call().await;
    let asked: Vec<String> = call.turns().into_iter().map(|(_, text)| text).collect();
    assert_eq!(asked, ["Remember", "I will", "Do you?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_pings_and_drops_a_silent_peer() {
    let builder = TestApp::builder().settings(|s| {
        s.socket.ping_every = Duration::from_millis(200);
        s.socket.silent_after = Duration::from_millis(1500);
    });
    let mut scene = Scene::of(builder).await;
    let proxy = Proxy::start(Target::Tcp(scene.app.addr)).await;
    let _silent = scene.ada.at(proxy.addr).socket(&scene.session).await;
    scene.app.sockets(2).await;
    proxy.silence();
    // Whoever answers pings stays, although it says nothing of its own.
    let reading = async {
        loop {
            scene.socket.next().await;
        }
    };
    tokio::select! {
        () = scene.app.sockets(1) => {}
        () = reading => {}
    }
    scene.socket.round_trip().await;
}

/// A reader that takes nothing is moved forward or closed with 4408; the student notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_a_burden_to_nobody() {
    let builder = TestApp::builder().settings(|s| {
        s.session.log_bytes = 64 * 1024;
        s.socket.write_timeout = Duration::from_secs(1);
    });
    let mut scene = Scene::of(builder).await;
    let proxy = Proxy::start(Target::Tcp(scene.app.addr)).await;
    let mut slow = scene.ada.at(proxy.addr).socket(&scene.session).await;
    proxy.silence();
    // Far more than the log and the kernel's buffers hold.
    let words = "many words ".repeat(18_000);
    for _ in 0..80 {
        scene.turn("Everything", &words).await;
        assert_eq!(scene.socket.log.answer().text.len(), words.len());
    }
    proxy.heal();
    let told = slow.until_any("a snapshot or a close", |frame| {
        frame.control() == Some("snapshot") || matches!(frame, Frame::Close { .. } | Frame::Gone)
    });
    match told.await {
        Frame::Close { code, .. } => assert_eq!(code, 4408),
        Frame::Control(snapshot) => assert!(snapshot["head"].as_u64().unwrap() > 0),
        // The close frame itself found no room in buffers that nobody empties.
        Frame::Gone => {}
        Frame::Entry { .. } => unreachable!("filtered above"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_sockets_on_one_session() {
    const COUNT: usize = 2000;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut scene = Scene::start().await;
    let mut sockets = Vec::with_capacity(COUNT);
    while sockets.len() < COUNT {
        let batch = (0..50).map(|_| scene.second());
        sockets.extend(futures_util::future::join_all(batch).await);
    }
    scene.app.sockets(COUNT + 1).await;
    scene.turn("To all", "of you").await;
    for socket in &mut sockets {
        socket.run_end().await;
        assert_eq!(socket.log.answer().text, "of you");
    }
    drop(sockets);
    scene.app.sockets(1).await;
    scene.socket.round_trip().await;
}
