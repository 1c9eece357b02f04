//! Frames that no library sends, and too many of those that one does: contract 3 and RFC 6455.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Raw;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::app::{Builder, Scene, TestApp};
use crate::support::socket::Socket;

const KIB: usize = 1024;

/// One frame of a message in pieces.
fn piece(text: impl Into<Bytes>, first: bool, last: bool) -> Message {
    let kind = if first { Data::Text } else { Data::Continue };
    Message::Frame(Raw::message(text, OpCode::Data(kind), last))
}

/// Sends a message in pieces of at most this size.
async fn in_pieces(socket: &mut Socket, text: &str, size: usize) {
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
    for (n, bytes) in pieces.iter().enumerate() {
        // What goes between the pieces of a message is no part of it.
        assert!(socket.try_send(Message::Ping(Bytes::new())).await);
        assert!(socket.try_send(piece(bytes.to_vec(), n == 0, n + 1 == pieces.len())).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_in_pieces_counts_as_one() {
    let scene = Scene::start().await;
    let frame = |size: usize| {
        let head = "{\"type\":\"ping\",\"t\":\"in pieces\",\"x\":\"";
        format!("{head}{}\"}}", "x".repeat(size - head.len() - 2))
    };
    let mut socket = scene.second().await;
    in_pieces(&mut socket, "{\"type\":\"ping\",\"t\":\"in pieces\"}", 5).await;
    assert_eq!(socket.control("pong").await["t"], "in pieces");
    // The most is read (and refused for its unknown field), one byte more is too much.
    in_pieces(&mut socket, &frame(64 * KIB), 20 * KIB).await;
    assert_eq!(socket.control("error").await["code"], "invalid_command");
    in_pieces(&mut socket, &frame(64 * KIB + 1), 20 * KIB).await;
    assert_eq!(socket.closed().await, 1009);
    // Without an end nobody waits for it.
    let mut socket = scene.second().await;
    for n in 0..9 {
        socket.try_send(piece(vec![b'x'; 32 * KIB], n == 0, false)).await;
    }
    assert_eq!(socket.closed().await, 1009);
}

/// A frame with the mask 0, which leaves its bytes as they are.
fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ ..=125 => vec![0x80 | short as u8],
        long => [&[0x80 | 126], &(long as u16).to_be_bytes()[..]].concat(),
    };
    [&[head], &length[..], &[0; 4], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_closes_with_1002() {
    let scene = Scene::start().await;
    let cases = [
        ("an unmasked frame", [&[0x81, 2], &b"{}"[..]].concat()),
        ("the first reserved bit", masked(0xc1, b"{}")),
        ("the last reserved bit", masked(0x91, b"{}")),
        ("an unknown kind of data", masked(0x83, b"{}")),
        ("an unknown kind of control", masked(0x8b, b"")),
        ("a ping in pieces", masked(0x09, b"")),
        ("a close in pieces", masked(0x08, b"")),
        ("a ping that is too long", masked(0x89, &[b'x'; 126])),
        ("the rest of nothing", masked(0x80, b"{}")),
        ("a message within a message", [masked(0x01, b"{"), masked(0x81, b"}")].concat()),
        ("half a close code", masked(0x88, &[3])),
        ("a close code that is none", masked(0x88, &1005_u16.to_be_bytes())),
    ];
    for (what, bytes) in cases {
        let mut socket = scene.second().await;
        socket.send_bytes(&bytes).await;
        let end = socket.until_any(what, |frame| frame.control().is_none() && frame.event().is_none()).await;
        assert!(matches!(end, crate::support::frame::Frame::Close { code: 1002, .. }), "{what}: {end:?}");
    }
    // The library does not say where it met bytes that are no text: in a close they are what they are
    // in any other frame.
    let mut socket = scene.second().await;
    socket.send_bytes(&masked(0x88, &[3, 0xe8, 0xff])).await;
    assert_eq!(socket.closed().await, 4400);
    scene.app.sockets(1).await;
}

/// The connection ends under it: there is nobody to send a close to.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_in_mid_frame_is_let_go() {
    let scene = Scene::start().await;
    let mut socket = scene.second().await;
    socket.send_bytes(&masked(0x81, b"{\"type\":\"ping\"}")[..9]).await;
    scene.app.sockets(2).await;
    drop(socket);
    scene.app.sockets(1).await;
}

fn limited() -> Builder {
    TestApp::builder().settings(|s| s.rate_limit = true)
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_of_the_protocol_count_as_commands() {
    for ping in [Message::Ping(Bytes::new()), Message::Pong(Bytes::new())] {
        let mut scene = Scene::of(limited()).await;
        for _ in 0..40 {
            assert!(scene.socket.try_send(ping.clone()).await);
        }
        scene.socket.round_trip().await;
        for _ in 0..400 {
            scene.socket.try_send(ping.clone()).await;
        }
        assert_eq!(scene.socket.closed().await, 4429, "{ping:?}");
    }
}

/// Thirty times what is allowed, evenly: now and then one is taken, and that excuses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_steady_flood_ends_with_4429_too() {
    let mut scene = Scene::of(limited()).await;
    let flood = json!({"type": "typing"}).to_string();
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    let mut sent = 0;
    while scene.app.server().app().sockets.borrow().to_owned() == 1 {
        beat.tick().await;
        for _ in 0..30 {
            scene.socket.try_send(Message::text(flood.as_str())).await;
            sent += 1;
        }
        assert!(sent < 6000, "it goes on and on");
    }
    assert_eq!(scene.socket.closed().await, 4429);
}
